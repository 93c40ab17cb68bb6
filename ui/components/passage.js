// The way of the tokens through the layers, its steps and what they say. Figure and tokens are one tab stop each.
const MEMORY = new WeakMap();
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className: className ?? "", textContent: text ?? "" });

// As many children as there are things, old ones kept so that the keyboard's focus stays.
function many(box, things, tag, dress) {
  while (box.children.length > things.length) box.lastChild.remove();
  while (box.children.length < things.length) box.append(make(tag));
  things.forEach((thing, i) => dress(box.children[i], thing, i));
}

export default function ({ data: [d], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), find = (name) => root.querySelector(name);
  const [stage, svg, list, over, labels, best] = [".stage", "svg", ".tokens", ".overs", ".marks", ".best"].map(find);
  const memory = MEMORY.get(root) ?? { soon: debounced(180) };
  MEMORY.set(root, memory);
  if (memory.of !== d.of) Object.assign(memory, { of: d.of, mark: null });
  const { say } = d, last = d.layers - 1, can = (mark) => mark && d.opens.includes(mark.what);
  let p = null, lit = null;

  const send = (what, at, to = "") => {
    memory.soon.stop();
    setTriggerValue("act", { what, at, to: String(to), of: ["line", "stream", "next"].includes(what) ? d.same : d.of });
  };
  const go = (mark) => { if (can(mark)) send(mark.what, mark.at, mark.what === "next" ? "" : mark.layer); };

  const streams = d.lines.map((_, at) => ({ what: "stream", at, line: at, layer: 0 }));
  const arcs = d.arcs.map(([layer, , line], at) => ({ what: "arc", at, line, layer }));
  const words = d.words.map(([layer], at) => ({ what: "word", at, line: d.chosen, layer }));
  const nexts = d.lines.map((_, at) => ({ what: "next", at, line: at, layer: last }));
  const along = d.lines.map((line, i) => [streams[i], ...[...arcs, ...words].filter((mark) => mark.line === i).sort((a, b) => a.layer - b.layer), ...(line[2] || d.end ? [nexts[i]] : [])]);

  function sentence({ what, at, line, layer }) {
    const token = d.called[line], [, , leads, percent] = d.lines[line];
    if (what === "stream") return fill(say.stream, { token, layer, length: d.lengths[line][layer + 1] });
    if (what === "next") return d.end ? fill(say.end, { token, end: d.end }) : fill(say.next, { token, label: leads, percent });
    if (what === "word") return fill(d.words[at][3] ? say.answer : say.word, { token, layer, label: d.words[at][1], percent: d.words[at][2] });
    const [, head, , other, weight, share] = d.arcs[at];
    return fill(say.arc, { layer, head, token, other: d.called[other], weight, share });
  }

  // What is under the pointer, or where the keys are, stands out; the rest steps back.
  function light(mark) {
    lit = mark;
    root.querySelectorAll(".lit").forEach((el) => el.classList.remove("lit"));
    stage.classList.toggle("some", Boolean(mark) && mark.what !== "next");
    if (mark) {
      if (mark.what !== "arc") svg.querySelectorAll(`[data-line="${mark.line}"]`).forEach((el) => el.classList.add("lit"));
      mark.els?.forEach((el) => el.classList.add("lit"));
    }
    find(".readout").textContent = mark ? sentence(mark) : say.hint;
    stage.style.cursor = can(mark) ? "pointer" : "";
  }

  // A mark of a drawing before this one, as it is now; none where it has gone.
  const again = (old) => {
    const now = old && along[old.line]?.find((mark) => mark.what === old.what && mark.at === old.at);
    return now ? { ...now, layer: old.layer } : null;
  };
  const keys = () => (svg.matches(":focus-visible") ? again(memory.mark) : null);
  const under = (e) => {
    const mark = e.target.mark ?? e.target.parentNode.mark;
    if (mark?.what !== "stream") return mark ?? null;
    const box = svg.getBoundingClientRect(), at = p.up ? e.clientY - box.top : e.clientX - box.left;
    return { ...mark, layer: within(Math.floor((at - p.from) / p.step), 0, last) };
  };
  stage.onpointermove = (e) => {
    const mark = under(e), old = lit ?? {};
    if (mark ? mark.what !== old.what || mark.at !== old.at || mark.layer !== old.layer : lit) light(mark ?? keys());
  };
  stage.onpointerleave = () => light(keys());
  // A finger has nothing to point with: its first tap reads, a second one opens.
  stage.onclick = (e) => {
    const mark = under(e), read = e.pointerType !== "touch" || (memory.tapped?.what === mark?.what && memory.tapped?.at === mark?.at);
    memory.tapped = mark;
    if (!mark) return;
    light(mark);
    if (read) go(mark);
  };

  function move(mark) {
    memory.mark = mark;
    light(mark);
    find(".live").textContent = sentence(mark);
  }
  svg.onfocus = () => { if (svg.matches(":focus-visible")) move(memory.mark ?? along[d.chosen][0]); };
  svg.onblur = () => light(null);
  svg.onkeydown = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const here = memory.mark ?? streams[d.chosen], row = along[here.line], k = row.findIndex((mark) => mark.what === here.what && mark.at === here.at);
    const other = (line) => along[line]?.reduce((a, b) => (Math.abs(b.layer - here.layer) < Math.abs(a.layer - here.layer) ? b : a));
    const [back, on, before, after] = p.up ? ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"] : ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
    const next = { [back]: row[k - 1], [on]: row[k + 1], [before]: other(here.line - 1), [after]: other(here.line + 1), Home: row[0], End: row.at(-1), Enter: here, " ": here };
    const layers = here.what === "stream" ? { PageUp: -1, PageDown: 1 }[e.key] : 0;
    if (layers) next[e.key] = { ...here, layer: within(here.layer + layers, 0, last) };
    if (!(e.key in next)) return;
    e.preventDefault();
    move(next[e.key] ?? here);
    if (e.key === "Enter" || e.key === " ") go(here);
  };

  // The tokens: the selector of the line, as in the strip.
  const mark = (i) => [...list.children].forEach((el, k) => { el.setAttribute("aria-selected", String(k === i)); el.tabIndex = k === i ? 0 : -1; });
  const choose = (i, now) => { mark(i); if (now) send("line", i); else memory.soon(() => send("line", i)); };
  list.onkeydown = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const i = [...list.children].indexOf(root.getRootNode().activeElement), end = d.lines.length - 1;
    const next = { ArrowLeft: i - 1, ArrowUp: i - 1, ArrowRight: i + 1, ArrowDown: i + 1, Home: 0, End: end, Enter: i, " ": i }[e.key];
    if (i < 0 || next === undefined) return;
    e.preventDefault();
    const to = within(next, 0, end);
    choose(to, e.key === "Enter" || e.key === " ");
    list.children[to].focus({ preventScroll: true });
  };

  function put(el, x, y, width, height) {
    const border = el.className.match(/word|token/) && !el.closest(".tight") ? 2 : 0;
    const [left, top, wide, high, line] = [x, y, width, height, Math.min(width, height) - border].map((size) => `${size}px`);
    Object.assign(el.style, { left, top, width: wide, height: high, lineHeight: line });
  }
  function draw() {
    const width = Math.floor(stage.clientWidth);
    if (!width) return;
    memory.width = width;
    p = place(d, width, cssVar(root, "--st-code-font"), cssVar(root, "--st-font"));
    stage.classList.toggle("up", p.up);
    stage.classList.toggle("side", p.side);
    list.setAttribute("aria-orientation", p.up ? "horizontal" : "vertical");
    stage.classList.toggle("tight", p.up && p.row < 18);
    stage.style.setProperty("--turned", `${within(p.row - 2, 8, 12)}px`);
    const tall = Math.max(p.height, p.side ? p.low + 48 + 32 * d.best.length : 0);
    svg.setAttribute("width", width);
    svg.setAttribute("height", tall);
    svg.replaceChildren(...sketch(d, p, { streams, arcs }));
    drawTokens();
    drawLabels(width);
    drawSteps();
    const high = 44 + 32 * d.best.length;
    best.style.top = p.side ? `${within(p.across[d.chosen] - high / 2, p.low, tall - high - 4)}px` : "";
    stage.style.height = p.side ? `${tall}px` : "";
    light(again(lit) ?? keys());
  }

  const thick = () => p.row - (p.up ? Math.min(4, p.row / 6) : 4);
  function drawTokens() {
    many(list, d.lines, "div", (el, line, i) => {
      el.setAttribute("role", "option");
      el.className = line[4] ? "token added" : "token";
      el.textContent = el.title = line[0];
      el.setAttribute("aria-label", fill(say.token, { label: line[0], at: line[1], last: d.last }));
      el.onclick = () => choose(i, true);
      if (p.up) put(el, p.across[i] - thick() / 2, 0, thick(), p.chip); else put(el, 0, p.across[i] - thick() / 2, p.chip, thick());
    });
  }

  // What lines end in, the words beside the chosen one, and how many are left out.
  function drawLabels(width) {
    const seen = [];
    d.lines.forEach((line, i) => {
      if (d.end ? i !== d.chosen : !line[2]) return;
      const big = i === d.chosen, el = make("div", big ? "next big" : "next");
      el.append(...(d.end ? [make("span", "", d.end)] : [make("b", "", line[2]), make("small", "", line[3])]));
      el.title = d.end || `${line[2]} ${line[3]}`;
      el.mark = nexts[i];
      nexts[i].els = [el];
      const size = Math.min(width, p.big);
      if (!p.up) put(el, p.to + (d.end ? 18 : big ? 12 : 16), p.across[i] - (big ? 15 : thick() / 2), p.lead, big ? 30 : thick());
      else if (big) put(el, within(p.across[i] - size / 2, 0, width - size), p.to + p.lead + 18, size, 28);
      else put(el, p.across[i] - thick() / 2, p.to + 12, thick(), p.lead);
      seen.push(el);
    });
    p.pills.forEach((pill, k) => {
      const el = make("div", d.words[k][3] ? "word answer" : "word", d.words[k][1]);
      [el.mark, el.title, words[k].els] = [words[k], d.words[k][1], [el]];
      put(el, pill.x, pill.y, pill.size, PILL);
      seen.push(el);
    });
    p.gaps.forEach(([across, size], k) => {
      const el = make("div", "out", d.gaps[k][1]);
      el.title = d.gaps[k][2];
      if (p.up) put(el, across, 0, size, p.chip); else put(el, 0, across, p.chip + 16, size);
      seen.push(el);
    });
    labels.replaceChildren(...seen);
  }

  function drawSteps() {
    const starts = [p.chip / 2, p.from + 22, p.from + 0.4 * (p.to - p.from), p.from + 0.72 * (p.to - p.from), p.to + p.lead / 2 + 12];
    many(over, d.steps, "button", (el, [words, , , links], k) => {
      el.type = "button";
      el.replaceChildren(make("i", "", k + 1), make("span", "", words));
      [el.title, el.ariaLabel, el.disabled, el.onclick] = [words, `${k + 1} ${words}`, !links.length, () => send("step", k)];
      if (p.up) put(el, 0, starts[k] - 12, 24, 24); else put(el, p.overs.x[k], 0, Math.ceil(p.overs.size[k]), p.overs.height - 6);
    });
  }

  svg.setAttribute("aria-label", d.alt);
  svg.setAttribute("aria-roledescription", say.kind);
  list.setAttribute("aria-label", say.tokens);
  over.setAttribute("aria-label", say.steps);
  best.hidden = !d.best.length;
  best.setAttribute("aria-label", d.after);
  best.firstChild.replaceChildren(d.after, make("small", "", d.goes_on ? say.adds : say.shows));
  many(best.lastChild, d.best, "button", (el, [label, percent, share], k) => {
    const bar = make("i");
    bar.style.width = `${Math.max(1.2, 100 * share)}%`;
    el.type = "button";
    el.replaceChildren(make("b", "", label), " ", make("small", "", percent), bar);
    el.ariaLabel = el.title = fill(d.goes_on ? say.add : "{label} {percent}", { label, percent });
    el.disabled = !d.goes_on && !d.opens.includes("next");
    el.onclick = () => (d.goes_on ? send("best", k) : send("next", d.chosen));
  });
  find(".notes").hidden = !d.notes.length;
  find("summary").textContent = say.notes;
  many(find(".notes div"), d.notes, "p", (el, note) => { el.textContent = note; });
  many(find(".cards"), d.steps, "li", (el, [, title, says, links], k) => {
    if (!el.firstChild) { el.append(make("i"), make("div")); el.lastChild.append(make("h3"), make("p"), make("div", "links")); }
    const [head, text, ways] = el.lastChild.children;
    el.firstChild.textContent = k + 1;
    head.textContent = title;
    text.replaceChildren(...says.map(([words, strong]) => (strong ? make("b", "", words) : words)));
    many(ways, links, "button", (link, [words, panel]) => {
      [link.type, link.textContent, link.onclick] = ["button", `${words} →`, () => send("link", k, panel)];
    });
  });
  memory.draw = draw;
  memory.watch ??= new ResizeObserver(() => { if (Math.floor(stage.clientWidth) !== memory.width) memory.draw(); });
  memory.watch.observe(stage);
  draw();
  if (!memory.soon.pending()) mark(d.chosen);
  memory.fonts ??= document.fonts?.ready.then(() => memory.draw());
  return () => { memory.soon.stop(); memory.watch.disconnect(); };
}
