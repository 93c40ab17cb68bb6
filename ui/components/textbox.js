// The reader's text: grows with its lines, Enter runs it, Shift+Enter starts a new line.
const MEMORY = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root"), area = root.querySelector("textarea"), run = root.querySelector("button"), note = root.querySelector(".note");
  const memory = MEMORY.get(root) ?? { shown: null };
  MEMORY.set(root, memory);
  if (memory.shown !== data.text) { area.value = data.text; memory.shown = data.text; }
  area.setAttribute("aria-label", data.label);
  area.placeholder = data.label;

  function grow() {
    area.style.height = "46px";
    area.style.height = `${Math.min(96, Math.max(46, area.scrollHeight + 2))}px`;
    const over = area.value.length > data.limit, changed = area.value !== data.text;
    note.className = over ? "note over" : "note";
    note.textContent = over
      ? `This text has ${area.value.length.toLocaleString("en-GB")} characters. The page takes up to ${data.limit.toLocaleString("en-GB")}: shorten it.`
      : changed ? "Enter runs it · Shift + Enter starts a new line" : "";
  }

  function send() {
    if (area.value.length > data.limit) return grow();
    memory.shown = area.value;
    setTriggerValue("text", area.value);
  }

  area.oninput = grow;
  area.onkeydown = (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    send();
  };
  run.onclick = send;
  grow();
}
