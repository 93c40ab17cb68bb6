// The tokens in a row: the one selector of a position that every figure follows. Of a long text a stretch is here, and
// places are counted from the text's first token all the same.
const MEMORY = new WeakMap();
const LIFT = 22, FIFTH = 5;

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), part = (name) => root.querySelector(name), words = data.words;
  const list = part(".tokens"), hint = part(".hint");
  const memory = MEMORY.get(root) ?? { soon: debounced(180), typed: debounced(300), chosen: 0, awaited: null, going: 0 };
  MEMORY.set(root, memory);
  list.setAttribute("aria-label", words.name);
  part(".side").textContent = data.side;
  const buttons = list.getElementsByClassName("token"), shown = data.labels.length, { start, count, colour } = data;
  const parts = new Map(data.parts.map(([k, ...parted]) => [k, parted]));
  const lift = parts.size ? LIFT : 0, [gap, edge] = data.numbered ? [9, 8] : [6, 3]; // as the style has it
  while (buttons.length > shown) buttons[buttons.length - 1].remove();
  while (buttons.length < shown) {
    const button = Object.assign(document.createElement("div"), { className: "token" });
    button.setAttribute("role", "option");
    button.append(document.createElement("span"), " ", document.createElement("small"));
    list.append(button);
  }
  const told = (k) => !colour.steps ? "" : colour.steps[k] < 0 ? (start + k ? colour.none : colour.unlike) : fill(colour.value, { value: colour.values[k] });
  const spelled = (hex) => hex ? fill(words.bytes, { bytes: hex.toUpperCase().match(/../g).join(" ") }) : words.special;
  list.classList.toggle("parted", parts.size > 0);
  list.classList.toggle("numbered", data.numbered);
  data.labels.forEach((label, k) => {
    const button = buttons[k], i = start + k, [short, shares] = parts.get(k) ?? [label, []], id = data.ids[k];
    button.firstChild.textContent = short;
    button.querySelector("small").textContent = id;
    const added = i >= count - data.added, name = fill(added ? words.added : words.token, { label, id, at: i, last: count - 1 });
    const [sign, differs] = data.notes[i] ?? ["", ""];
    if (sign) button.dataset.sign = sign; else delete button.dataset.sign;
    button.title = [differs, told(k), data.numbered ? name : "", spelled(data.bytes[k])].filter(String).join(" · ");
    button.classList.toggle("added", added);
    button.setAttribute("aria-label", [name, differs, told(k)].filter(Boolean).join(", "));
    if (data.numbered && i % FIFTH === 0) button.dataset.at = i; else delete button.dataset.at;
    button.onclick = () => choose(i, true);
    button.querySelector(".over")?.remove();
    if (shares.length) button.append(bracket(shares));
  });

  const rows = () => (matchMedia(`(max-width: 700px), (max-height: ${data.numbered ? 900 : 600}px)`).matches ? 2 : 3);
  const number = (n) => n.toLocaleString("en-GB");
  const here = (i) => i >= start && i < start + shown;

  function mark(i, scroll) {
    memory.chosen = i;
    for (let k = 0; k < shown; k++) {
      buttons[k].setAttribute("aria-selected", String(start + k === i));
      buttons[k].tabIndex = start + k === i || (k === 0 && !here(i)) ? 0 : -1;
    }
    hint.textContent = fill(words.chosen, { at: number(i), last: number(count - 1) });
    part(".own").textContent = colour.steps && here(i) ? `${data.labels[i - start]}: ${told(i - start)}` : "";
    if (scroll) reach(i);
  }

  function reach(i) {
    const chosen = buttons[i - start];
    if (!chosen || list.scrollHeight <= list.clientHeight) return;
    const row = chosen.offsetHeight + gap + lift, top = chosen.offsetTop - edge - lift;
    if (top < list.scrollTop || top + row > list.scrollTop + list.clientHeight) list.scrollTop = top - Math.floor((rows() - 1) / 2) * row;
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

  const bar = part(".stretch"), [earlier, later, back] = bar.querySelectorAll("button");
  bar.hidden = data.stretches < 2;
  if (!bar.hidden) {
    bar.querySelector("span").textContent = fill(words.stretch, { first: number(start), last: number(start + shown - 1), count: number(count) });
    const goes = (button, says, at) => { button.textContent = says; button.disabled = at < 0 || at >= data.stretches; button.onclick = () => turn(at); };
    goes(earlier, `‹ ${words.earlier}`, data.stretch - 1);
    goes(later, `${words.later} ›`, data.stretch + 1);
    back.textContent = words.back;
    back.hidden = here(data.chosen);
    back.onclick = () => choose(data.chosen, true);
  }

  offer(part(".switch"), colour, words, (name) => setTriggerValue("colour", name));
  const scale = part(".scale"), ask = part(".ask");
  scale.hidden = !colour.says;
  scale.classList.toggle("single", Boolean(colour.steps));
  const meaning = part(".meaning"), tip = part(".tip"), what = part(".what");
  // Why there is no colour stands in the line. What a colour means opens below its "?": it is longer than the line.
  meaning.popover = colour.steps ? "auto" : null;
  meaning.ontoggle = () => below(meaning, what);
  what.popoverTargetElement = meaning;
  what.hidden = !colour.steps;
  what.setAttribute("aria-label", words.what);
  if (meaning.textContent !== colour.says) { tip.togglePopover(false); meaning.replaceChildren(...colour.told.map((piece) => worded(tip, piece))); }
  part(".ramp").hidden = !colour.steps;
  ask.hidden = !colour.slow;
  ask.textContent = words.ask;
  ask.onclick = () => setTriggerValue("ask", true);
  paint();

  function paint() {
    const colours = colour.steps ? stops(root, colour.signed) : [], shades = colour.steps ? ramp(colours) : [];
    for (let k = 0; k < shown; k++) {
      const button = buttons[k], step = colour.steps?.[k], shade = shades[Math.round((step * 255) / 254)];
      button.classList.toggle("tinted", shade !== undefined);
      button.classList.toggle("blank", step === -1);
      for (const [name, value] of [["--tint", shade && `rgb(${shade})`], ["--on", shade && (bright(shade) > 0.179 ? "black" : "white")]]) {
        if (value && button.style.getPropertyValue(name) !== value) button.style.setProperty(name, value); else if (!value) button.style.removeProperty(name);
      }
    }
    if (!colour.steps) return;
    const [low, ends, high] = part(".ramp").children;
    [low.textContent, high.textContent] = colour.ends;
    ends.style.background = `linear-gradient(90deg, ${colours.join(", ")})`;
  }

  const search = part(".search"), field = search.querySelector("input"), status = search.querySelector("span");
  const ways = [...search.querySelectorAll("button")], known = () => data.found?.query === field.value ? data.found : null;
  search.hidden = !data.numbered;
  if (data.numbered) {
    field.placeholder = words.seek;
    field.setAttribute("aria-label", words.seek);
    field.title = words.how;
    [words.previous, words.next].forEach((says, k) => { ways[k].title = says; ways[k].setAttribute("aria-label", says); ways[k].onclick = () => step(k ? 1 : -1); });
    field.oninput = () => { tell(); memory.going = 0; memory.typed(seek); };
    field.onkeydown = (e) => {
      if (e.isComposing) return;
      if (e.key === "Escape" && field.value) { e.preventDefault(); field.value = ""; tell(); memory.typed.stop(); seek(); }
      if (e.key === "Enter") { e.preventDefault(); step(e.shiftKey ? -1 : 1); }
    };
    if (!field.value && data.found && !memory.sought) field.value = data.found.query;
    if (field.value && !data.found && !memory.typed.pending() && root.getRootNode().activeElement !== field) field.value = "";
    tell();
    if (memory.going && known()) step(memory.going);
  }

  function seek() {
    memory.sought = true;
    setTriggerValue("seek", field.value);
  }

  // The next place that was found after the chosen one, or before it; round the end it goes on at the other.
  function step(way) {
    const found = known();
    if (!field.value) return;
    if (!found) { memory.going = way; if (memory.typed.pending()) { memory.typed.stop(); seek(); } return; }
    memory.going = 0;
    const { at, jump } = found, i = memory.chosen;
    if (!at.length) return;
    const next = way > 0 ? at.find((place) => place > i) ?? at[0] : at.findLast((place) => place < i) ?? at.at(-1);
    const first = jump !== null && memory.jumped !== found.query;
    memory.jumped = found.query;
    choose(first ? jump : next, true);
    tell();
  }

  function tell() {
    const found = known(), at = found ? found.at.indexOf(memory.chosen) : -1;
    for (const way of ways) way.disabled = !found?.at.length;
    search.classList.toggle("used", field.value !== "");
    status.textContent = !found ? "" : found.at.length ? fill(words.found, { at: at < 0 ? "–" : number(at + 1), count: number(found.at.length) }) : words.none;
  }

  hint.hidden = !words.chosen;
  const fit = () => { list.style.maxHeight = `${rows() * (buttons[0].offsetHeight + gap + lift) - gap + 2 * edge}px`; };
  fit();
  edges(list);
  edges(scale);
  repeatedIn(list);
  if (!memory.soon.pending()) mark(data.chosen, true);
  // Where the rows have become narrower or wider, by a scroll bar or a window, the chosen token stands in another one.
  Object.assign(memory, { reach, fit });
  memory.wide ??= new ResizeObserver(() => {
    if (memory.width !== list.clientWidth) { memory.fit(); repeatedIn(list); memory.reach(memory.chosen); }
    memory.width = list.clientWidth;
  });
  memory.wide.observe(list);
  if (data.numbered) tell();
  if (memory.awaited !== null && here(memory.awaited)) {
    buttons[memory.awaited - start].focus({ preventScroll: true });
    memory.awaited = null;
  }
  return () => { memory.wide.disconnect(); memory.soon.stop(); memory.typed.stop(); };
}

// Puts what lies over the page below what it belongs to, inside of the window.
function below(box, owner) {
  const { left, bottom } = owner.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(left, document.documentElement.clientWidth - box.offsetWidth - 4))}px`;
  box.style.top = `${bottom + 4}px`;
}

// A piece of a sentence: words, or a term. What it means stands below it while it is pointed at or has the focus.
function worded(tip, [words, says]) {
  if (!says) return words;
  const term = Object.assign(document.createElement("dfn"), { className: "term", tabIndex: 0, textContent: words });
  term.setAttribute("aria-description", says);
  term.onpointerenter = term.onfocus = () => {
    tip.textContent = says;
    tip.togglePopover(true);
    below(tip, term);
  };
  term.onpointerleave = term.onblur = () => tip.togglePopover(false);
  return term;
}

// The switch: none, and what the model has. It keeps its elements, and with them the focus.
function offer(field, colour, words, picked) {
  const options = [["", words.plain, words.plain], ...colour.options];
  field.hidden = options.length < 2;
  field.querySelector("legend").textContent = words.colour;
  const labels = field.getElementsByTagName("label");
  while (labels.length > options.length) labels[labels.length - 1].remove();
  while (labels.length < options.length) {
    const label = document.createElement("label"), input = Object.assign(document.createElement("input"), { type: "radio", name: "colour" });
    label.append(input, document.createElement("span"));
    field.append(label);
  }
  options.forEach(([id, name, whole], k) => {
    const label = labels[k], [input, says] = label.children;
    says.textContent = name;
    label.title = whole;
    input.setAttribute("aria-label", whole);
    input.checked = id === colour.chosen;
    input.onchange = () => picked(id);
  });
}
