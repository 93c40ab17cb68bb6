// The tokens in a row: the one selector of a position that every figure follows.
const MEMORY = new WeakMap();
const ROWS = 3, GAP = 6, EDGE = 3;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root"), list = root.querySelector(".tokens"), hint = root.querySelector(".hint");
  const memory = MEMORY.get(root) ?? { soon: debounced(180), chosen: 0 };
  MEMORY.set(root, memory);
  list.setAttribute("aria-label", data.words.name);
  const buttons = list.getElementsByClassName("token"), count = data.labels.length;
  while (buttons.length > count) buttons[buttons.length - 1].remove();
  while (buttons.length < count) {
    const button = Object.assign(document.createElement("div"), { className: "token" });
    button.setAttribute("role", "option");
    button.append(document.createElement("span"), " ", document.createElement("small"));
    list.append(button);
  }
  data.labels.forEach((label, i) => {
    const button = buttons[i];
    button.firstChild.textContent = label;
    button.lastChild.textContent = data.ids[i];
    button.title = data.notes[i];
    const added = i >= count - data.added;
    button.classList.toggle("added", added);
    button.setAttribute("aria-label", fill(added ? data.words.added : data.words.token, { label, id: data.ids[i], at: i + 1, count }));
    button.onclick = () => choose(i, true);
  });

  function mark(i, scroll) {
    memory.chosen = i;
    for (let k = 0; k < count; k++) {
      buttons[k].setAttribute("aria-selected", String(k === i));
      buttons[k].tabIndex = k === i ? 0 : -1;
    }
    hint.textContent = fill(data.words.chosen, { at: i + 1, count });
    const chosen = buttons[i];
    if (!scroll || !chosen || list.scrollHeight <= list.clientHeight) return;
    const row = chosen.offsetHeight + GAP, top = chosen.offsetTop - EDGE;
    if (top < list.scrollTop || top + row > list.scrollTop + list.clientHeight) list.scrollTop = top - Math.floor((ROWS - 1) / 2) * row;
  }

  function choose(i, now) {
    mark(i, true);
    const send = () => setTriggerValue("token", i);
    if (now) { memory.soon.stop(); send(); } else memory.soon(send);
  }

  list.onkeydown = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const i = memory.chosen;
    const next = { ArrowLeft: i - 1, ArrowUp: i - 1, ArrowRight: i + 1, ArrowDown: i + 1, Home: 0, End: count - 1, Enter: i, " ": i }[e.key];
    if (next === undefined) return;
    e.preventDefault();
    const to = Math.min(count - 1, Math.max(0, next));
    choose(to, e.key === "Enter" || e.key === " ");
    buttons[to].focus({ preventScroll: true });
  };

  list.style.maxHeight = `${ROWS * (buttons[0].offsetHeight + GAP) - GAP + 2 * EDGE}px`;
  list.append(hint);
  if (list.scrollHeight > list.clientHeight + 1) list.after(hint); // inside, it would be a row of another height
  if (!memory.soon.pending()) mark(data.chosen, true);
  return () => memory.soon.stop();
}
