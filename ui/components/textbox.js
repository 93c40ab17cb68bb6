// The reader's text: grows with its lines, Enter runs it, Shift+Enter starts a new line.
const MEMORY = new WeakMap();

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), area = root.querySelector("textarea"), run = root.querySelector("button"), note = root.querySelector(".note");
  const memory = MEMORY.get(root) ?? { shown: null };
  MEMORY.set(root, memory);
  if (memory.shown !== data.text) { area.value = data.text; memory.shown = data.text; }
  document.documentElement.lang = data.words.lang;
  area.setAttribute("aria-label", data.words.label);
  area.placeholder = data.words.label;
  root.querySelector(".side").textContent = root.dataset.side = data.words.side;
  run.textContent = data.words.run;

  if (data.focus && !memory.focused) { memory.focused = true; area.focus(); area.select(); }

  function grow() {
    area.style.height = "46px";
    area.style.height = `${Math.min(96, Math.max(46, area.scrollHeight + 2))}px`;
    const over = area.value.length > data.limit, changed = area.value !== data.text;
    note.className = over ? "note over" : "note";
    note.textContent = over
      ? fill(data.words.over, { count: area.value.length.toLocaleString("en-GB"), limit: data.limit.toLocaleString("en-GB") })
      : changed ? data.words.keys : "";
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
