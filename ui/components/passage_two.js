// The passages of two runs in one picture, and its changes as lists: a list is one tab stop. What A has can be chosen.
const DRAWN = "http://www.w3.org/2000/svg", PEN = document.createElement("canvas").getContext("2d"), PILL = 22;
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className: className ?? "", textContent: text ?? "" });
const within = (x, low, high) => Math.max(low, Math.min(high, x));
const near = (x) => Math.round(x * 10) / 10;
const own = (el) => el.classList.contains("own");
const wide = (text, font) => { PEN.font = font; return PEN.measureText(text).width; };

function shape(name, className, values, text) {
  const el = document.createElementNS(DRAWN, name);
  el.setAttribute("class", className);
  Object.entries(values).forEach(([key, value]) => el.setAttribute(key, value));
  if (text) el.textContent = text;
  return el;
}

// A stroke of one kind of change, with its sign where it begins.
function stroke(kind, sign, path, x, y, own) {
  const group = shape("g", `arc ${kind}${own ? " own" : ""}`, {});
  group.append(shape("path", "", { d: path }), shape("circle", "", { cx: near(x), cy: near(y), r: sign ? (own ? 7 : 4.8) : 2.4 }));
  if (sign) group.append(shape("text", "sign", { x: near(x), y: near(y + (own ? 3.8 : 2.8)), "text-anchor": "middle" }, sign));
  return group;
}

// Where everything stands: tokens and predictions beside the lines, or above them in a narrow window.
function place(d, width, mono, font) {
  const narrow = width < 640, n = d.rows.length, most = (texts, style) => Math.max(0, ...texts.map((text) => wide(text, style)));
  const chip = narrow ? 0 : within(most(d.rows.map((row) => `${row[0]} ${row[1]}`), `600 13px ${mono}`) + 30, 60, 250);
  const lead = narrow ? 0 : within(most(d.rows.map((row) => row.slice(4).join(" ")), `12.5px ${mono}`) + 20, 20, 290);
  const p = { narrow, width, chip, lead, row: narrow ? 52 : 32, from: narrow ? 12 : chip + 26, to: narrow ? width - 12 : width - lead - 14 };
  p.step = (p.to - p.from) / d.layers;
  p.at = (layer) => p.from + p.step * layer;
  const ends = [];
  p.pills = d.words.map(([layer, label, , sign]) => {
    const size = Math.min(140, wide(label, `600 12px ${mono}`) + (sign ? 40 : 22)), wanted = within(p.at(layer + 1) - size / 2, p.from - 6, p.to + 6 - size);
    let line = ends.findIndex((end) => end + 5 <= wanted);
    if (line < 0) line = ends.length;
    ends[line] = wanted + size;
    return { x: wanted, y: 11 + line * 25, size, stem: p.at(layer + 1) };
  });
  let y = 4;
  p.gaps = [];
  const open = (i) => d.gaps.forEach((gap) => { if (gap[0] === i) { p.gaps.push(y + 3); y += 26; } });
  p.y = d.rows.map((row, i) => {
    open(i);
    y += p.row;
    const line = narrow ? y - 13 : y - p.row / 2;
    if (i === d.chosen) y += ends.length * 25 + (ends.length ? 4 : 0);
    return line;
  });
  open(n);
  p.height = y + 24;
  p.bottom = y;
  return p;
}

export default function ({ data: [d], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), find = (name) => root.querySelector(name), { say } = d;
  const [stage, svg, list, labels, lists, best] = [".stage", "svg", ".tokens", ".marks", ".lists", ".best"].map(find);
  let p = null, lit = null, tapped = null, arcs = [], pills = [];
  const can = (mark) => Boolean(mark && d.can[mark[0]]?.[mark[1]]);
  const go = (mark) => { if (can(mark)) setTriggerValue("act", { what: mark[0], at: mark[1], of: d.of }); };
  const predicted = (i) => d.rows[i].slice(4).filter(Boolean).join(" ");
  const read = ([what, at]) => (what === "line" ? [d.rows[at][3], predicted(at)].filter(Boolean).join(" → ") : what === "arc" ? d.arcs[at][5] : d.words[at][4]);

  // What is pointed at, or chosen in a list, stands out; the rest steps back.
  function light(mark) {
    lit = mark;
    root.querySelectorAll(".lit").forEach((el) => el.classList.remove("lit"));
    stage.classList.toggle("some", Boolean(mark) && mark[0] !== "line");
    const el = mark && { arc: arcs, word: pills }[mark[0]]?.[mark[1]];
    el?.classList.add("lit");
    if (mark?.[0] === "arc") el.parentNode.insertBefore(el, find(".over"));
    find(".readout").textContent = mark ? read(mark) : say.hint;
    stage.style.cursor = can(mark) ? "pointer" : "";
  }

  function draw() {
    const width = Math.floor(stage.clientWidth);
    if (!width) return;
    p = place(d, width, cssVar(root, "--st-code-font"), cssVar(root, "--st-font"));
    root.classList.toggle("narrow", p.narrow);
    svg.setAttribute("width", width);
    svg.setAttribute("height", p.height);
    const out = [], bend = within(p.step / 30, 0.5, 1.3), taken = [];
    for (let layer = 0; layer < d.layers; layer += 2) out.push(shape("rect", "band", { x: near(p.at(layer)), y: 4, width: near(p.step), height: p.bottom - 4 }));
    p.gaps.forEach((y) => out.push(shape("rect", "gap", { x: p.from - 8, y, width: p.to - p.from + 16, height: 20 })));
    d.rows.forEach(([, , lone], i) => {
      const points = d.sizes[i].map((size, s) => [p.at(s), 0.7 + 0.033 * size]), y = p.y[i];
      const edge = [...points.map(([x, w]) => [x, y - w]), ...points.reverse().map(([x, w]) => [x, y + w])];
      out.push(shape("path", `way${i === d.chosen ? " chosen" : ""}${lone === "A" ? " gone" : ""}`, { d: `M${edge.map(([x, y]) => `${near(x)} ${near(y)}`).join(" L")}Z` }));
    });
    const hits = [], told = [];
    arcs = d.arcs.map(([layer, looking, looked, kind, sign, , numbers], k) => {
      const x = p.at(layer + 0.5), from = Math.max(p.from - 5, x - Math.min(10 + 3 * Math.abs(looking - looked), 46) * bend), [y0, y1] = [p.y[looked], p.y[looking]];
      const path = `M${near(from)} ${near(y0)} C${near(x + 2 * bend)} ${near(y0)} ${near(x - 6 * bend)} ${near(y1)} ${near(x + 6 * bend)} ${near(y1)}`;
      hits.push(Object.assign(shape("path", "hit", { d: path }), { mark: ["arc", k] }));
      if (sign) taken.push([from - 7, y0 - 7, 14, 14]);
      if (numbers) told.push([k, from, y0, `${sign} ${numbers}`]);
      return Object.assign(stroke(kind, sign, path, from, y0, looking === d.chosen), { mark: ["arc", k] });
    });
    p.pills.forEach((pill, k) => {
      const y = p.y[d.chosen];
      taken.push([pill.x, y + pill.y, pill.size, PILL]);
      out.push(shape("path", `stem ${d.words[k][2]}`, { d: `M${near(pill.stem)} ${y} L${near(within(pill.stem, pill.x + 8, pill.x + pill.size - 8))} ${y + pill.y}` }));
    });
    if (p.narrow) d.rows.forEach((_, i) => taken.push([0, p.y[i] - 38, width / 2, 22]));
    const free = ([x, y, w, h]) => x >= p.from - 8 && x + w <= p.to + 8 && y > 0 && y + h < p.bottom && taken.every(([a, b, c, e]) => x + w + 3 <= a || a + c + 3 <= x || y + h <= b || b + e <= y);
    const numbers = told.flatMap(([k, x, y, words]) => {
      const w = wide(words, `600 12px ${cssVar(root, "--st-font")}`);
      const spot = [-22, 8, -7].flatMap((dy) => [[x - 9 - w, y + dy, w, 14], [x + 9, y + dy, w, 14]]).find(free);
      if (!spot) return [];
      taken.push(spot);
      return [Object.assign(shape("text", "told", { x: near(spot[0]), y: near(spot[1] + 11) }, words), { mark: ["arc", k] })];
    });
    const every = [1, 5, 10, 20].find((step) => step * p.step >= (step === 1 ? 44 : 24)) ?? 40, last = d.layers - 1;
    const ticks = [...Array(d.layers).keys()].filter((l) => l === last || (l % every === 0 && (last - l) * p.step >= 24));
    const below = ticks.map((l) => shape("text", "tick", { x: near(p.at(l + 0.5)), y: p.bottom + 15, "text-anchor": "middle" }, String(l)));
    if (!p.narrow) below.push(shape("text", "tick", { x: p.from - 12, y: p.bottom + 15, "text-anchor": "end" }, say.layer));
    const calm = arcs.filter((_, k) => !d.arcs[k][4]), loud = arcs.filter((_, k) => d.arcs[k][4]).sort((a, b) => own(a) - own(b));
    svg.replaceChildren(...out, ...calm, ...loud, shape("g", "over", {}), ...below, ...hits, ...numbers);
    drawLabels();
    light(lit);
  }

  function put(el, x, y, width, height) {
    Object.assign(el.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    return el;
  }
  function drawLabels() {
    tokens.forEach((token, i) => (p.narrow ? put(token, 0, p.y[i] - 38, p.width / 2 - 4, 22) : put(token, 0, p.y[i] - 13, p.chip, 26)));
    // In a narrow window predictions would cover arcs: they are read out with their token.
    const seen = p.narrow ? [] : d.rows.map(([, , , , leads, share, before], i) => {
      const next = make("div", before ? "next changed" : "next");
      next.append(...(leads ? [make("b", "", leads)] : []), ...[share, before].filter(Boolean).map((words) => make("small", "", words)));
      next.title = predicted(i);
      return put(next, p.to + 14, p.y[i] - 13, p.lead, 26);
    });
    pills = p.pills.map((pill, k) => {
      const [, label, kind, sign] = d.words[k], el = make("div", `word ${kind}`);
      el.append(...(sign ? [make("i", "", sign)] : []), make("b", "", label));
      el.mark = ["word", k];
      return put(el, pill.x, p.y[d.chosen] + pill.y, pill.size, PILL);
    });
    const gaps = p.gaps.map((y, k) => Object.assign(put(make("div", "out", d.gaps[k][1]), p.from, y, p.to - p.from, 20), { title: d.gaps[k][2] }));
    labels.replaceChildren(...seen, ...pills, ...gaps);
  }

  const under = (e) => e.target.mark ?? e.target.parentNode.mark ?? e.target.closest(".token")?.mark ?? null;
  stage.onpointermove = (e) => {
    const mark = under(e);
    if (String(mark) !== String(lit)) light(mark);
  };
  // A finger has nothing to point with: its first tap reads an arc, a second one opens it.
  stage.onclick = (e) => {
    const mark = under(e), again = e.pointerType !== "touch" || mark?.[0] === "line" || String(tapped) === String(mark);
    tapped = mark;
    light(mark);
    if (again) go(mark);
  };
  stage.onpointerleave = () => light(null);

  // An entry of a list, of one tab stop: read where it is reached, opened or chosen by Enter.
  function option(el, mark, chosen) {
    el.setAttribute("role", "option");
    el.setAttribute("aria-selected", String(chosen));
    el.tabIndex = chosen ? 0 : -1;
    el.mark = mark;
    el.classList.toggle("can", can(mark));
    el.onfocus = () => {
      [...el.parentNode.children].forEach((other) => { other.tabIndex = other === el ? 0 : -1; });
      light(mark);
    };
    el.onblur = () => light(null);
    return el;
  }
  function keys(options) {
    options.onkeydown = (e) => {
      const all = [...options.children], i = all.indexOf(root.getRootNode().activeElement), end = all.length - 1;
      const to = { ArrowUp: i - 1, ArrowDown: i + 1, Home: 0, End: end, Enter: i, " ": i }[e.key];
      if (i < 0 || to === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
      e.preventDefault();
      if (e.key === "Enter" || e.key === " ") go(all[i].mark);
      else all[within(to, 0, end)].focus();
    };
  }

  // A list for each kind of change: what it looks like in the picture, and every arc and word of it.
  function group([kind, sign, heading, items, more]) {
    const box = make("section"), head = make("h3"), sample = shape("svg", "sample", { width: 44, height: 16, "aria-hidden": true });
    sample.append(stroke(kind, sign, "M8 8 L43 8", 8, 8, true));
    head.append(sample, heading);
    box.append(head);
    if (!items.length) return box;
    const options = make("div");
    options.setAttribute("role", "listbox");
    options.setAttribute("aria-label", heading);
    options.append(...items.map(([what, at, words], k) => {
      const mark = [what, at], el = option(make("div", "", words), mark, !k);
      el.setAttribute("aria-selected", "false");
      el.onpointerenter = () => light(mark);
      el.onpointerleave = () => light(null);
      el.addEventListener("focus", () => el.setAttribute("aria-selected", "true"));
      el.addEventListener("blur", () => el.setAttribute("aria-selected", "false"));
      el.onclick = () => go(mark);
      return el;
    }));
    keys(options);
    box.append(options, ...(more ? [make("p", "more", more)] : []));
    return box;
  }

  svg.setAttribute("aria-label", d.alt);
  find(".says").textContent = d.caption;
  lists.replaceChildren(...d.groups.map(group));
  const held = list.contains(root.getRootNode().activeElement);
  const tokens = d.rows.map(([label, was, lone, title], i) => {
    const token = make("div", `token${i === d.chosen ? " chosen" : ""}${was ? " replaced" : ""}${lone ? " lone" : ""}`);
    token.append(...(lone ? [make("i", "", lone)] : []), make("b", "", label), ...(was ? [make("small", "", was)] : []));
    token.title = title;
    if (!can(["line", i])) token.setAttribute("aria-disabled", "true");
    return option(token, ["line", i], i === d.chosen);
  });
  list.setAttribute("aria-label", say.tokens);
  list.replaceChildren(...tokens);
  keys(list);
  best.hidden = !d.best.length;
  best.firstChild.textContent = d.after;
  best.lastChild.replaceChildren(...d.best.map(([label, runs]) => {
    const row = make("li"), bars = make("div");
    bars.append(...runs.flatMap(([run, percent, share]) => {
      if (share === null) return [make("i", "", run), make("small", "out-of", percent)];
      const bar = make("span", run === "A" ? "bar first" : "bar");
      bar.style.width = share ? `${Math.max(1, 100 * share)}%` : 0;
      const track = make("span", "track");
      track.append(bar);
      return [make("i", "", run), track, make("small", "", percent)];
    }));
    row.append(make("b", "", label), bars);
    return row;
  }));
  find("summary").textContent = say.notes;
  find(".notes div").replaceChildren(...d.notes.map((note) => make("p", "", note)));
  const watch = new ResizeObserver(() => { if (!p || Math.floor(stage.clientWidth) !== p.width) draw(); });
  watch.observe(stage);
  draw();
  if (held) tokens[d.chosen].focus({ preventScroll: true });
  document.fonts?.ready.then(draw);
  return () => watch.disconnect();
}
