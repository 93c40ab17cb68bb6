// The tokens in a row: the one selector of a position that every figure follows. Of a long text a stretch is here, and
// places are counted from the text's first token all the same.
const MEMORY = new WeakMap();
const ROWS = 3, GAP = 6, EDGE = 3;

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root"), list = root.querySelector(".tokens"), hint = root.querySelector(".hint");
  const memory = MEMORY.get(root) ?? { soon: debounced(180), chosen: 0, awaited: null };
  MEMORY.set(root, memory);
  list.setAttribute("aria-label", data.words.name);
  const buttons = list.getElementsByClassName("token"), shown = data.labels.length, { start, count } = data;
  while (buttons.length > shown) buttons[buttons.length - 1].remove();
  while (buttons.length < shown) {
    const button = Object.assign(document.createElement("div"), { className: "token" });
    button.setAttribute("role", "option");
    button.append(document.createElement("span"), " ", document.createElement("small"));
    list.append(button);
  }
  data.labels.forEach((label, k) => {
    const button = buttons[k], i = start + k;
    button.firstChild.textContent = label;
    button.lastChild.textContent = data.ids[k];
    button.title = data.notes[k];
    const added = i >= count - data.added;
    button.classList.toggle("added", added);
    button.setAttribute("aria-label", fill(added ? data.words.added : data.words.token, { label, id: data.ids[k], at: i + data.first, count }));
    button.onclick = () => choose(i, true);
  });

  const number = (n) => n.toLocaleString("en-GB");
  const here = (i) => i >= start && i < start + shown;

  function mark(i, scroll) {
    memory.chosen = i;
    for (let k = 0; k < shown; k++) {
      buttons[k].setAttribute("aria-selected", String(start + k === i));
      buttons[k].tabIndex = start + k === i || (k === 0 && !here(i)) ? 0 : -1;
    }
    hint.textContent = fill(data.words.chosen, { at: number(i + data.first), count: number(count) });
    const chosen = buttons[i - start];
    if (!scroll || !chosen || list.scrollHeight <= list.clientHeight) return;
    const row = chosen.offsetHeight + GAP, top = chosen.offsetTop - EDGE;
    if (top < list.scrollTop || top + row > list.scrollTop + list.clientHeight) list.scrollTop = top - Math.floor((ROWS - 1) / 2) * row;
  }

  function choose(i, now) {
    mark(i, true);
    const send = () => setTriggerValue("token", i);
    if (now) { memory.soon.stop(); send(); } else memory.soon(send);
  }

  function turn(at) {
    if (at < 0 || at >= data.stretches) return;
    list.scrollTop = 0;
    setTriggerValue("stretch", at);
  }

  list.onkeydown = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const pages = { PageUp: -1, PageDown: 1 }[e.key];
    if (pages !== undefined && data.stretches > 1) { e.preventDefault(); return turn(data.stretch + pages); }
    const from = buttons[0].getRootNode().activeElement, at = [...buttons].indexOf(from), i = at < 0 ? memory.chosen : start + at;
    const next = { ArrowLeft: i - 1, ArrowUp: i - 1, ArrowRight: i + 1, ArrowDown: i + 1, Home: 0, End: count - 1, Enter: i, " ": i }[e.key];
    if (next === undefined) return;
    e.preventDefault();
    const to = Math.min(count - 1, Math.max(0, next));
    choose(to, e.key === "Enter" || e.key === " " || !here(to));
    if (here(to)) buttons[to - start].focus({ preventScroll: true }); else memory.awaited = to;
  };

  const bar = root.querySelector(".stretch"), [earlier, later, back] = bar.querySelectorAll("button");
  bar.hidden = data.stretches < 2;
  if (!bar.hidden) {
    bar.querySelector("span").textContent = fill(data.words.stretch, { first: number(start), last: number(start + shown - 1), count: number(count) });
    const goes = (button, words, at) => { button.textContent = words; button.disabled = at < 0 || at >= data.stretches; button.onclick = () => turn(at); };
    goes(earlier, `‹ ${data.words.earlier}`, data.stretch - 1);
    goes(later, `${data.words.later} ›`, data.stretch + 1);
    back.textContent = data.words.back;
    back.hidden = here(data.chosen);
    back.onclick = () => choose(data.chosen, true);
  }

  list.style.maxHeight = `${ROWS * (buttons[0].offsetHeight + GAP) - GAP + 2 * EDGE}px`;
  list.append(hint);
  if (list.scrollHeight > list.clientHeight + 1) list.after(hint); // inside, it would be a row of another height
  if (!memory.soon.pending()) mark(data.chosen, true);
  if (memory.awaited !== null && here(memory.awaited)) {
    buttons[memory.awaited - start].focus({ preventScroll: true });
    memory.awaited = null;
  }
  return () => memory.soon.stop();
}
