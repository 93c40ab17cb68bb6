// The lines, arcs and what belongs to them as SVG. Each shape that answers the pointer has its mark.
const DRAWN = "http://www.w3.org/2000/svg";

function shape(name, className, values, mark) {
  const el = document.createElementNS(DRAWN, name);
  if (className) el.setAttribute("class", className);
  Object.entries(values).forEach(([key, value]) => el.setAttribute(key, value));
  if (mark) el.mark = mark;
  return el;
}

const own = (el) => el.classList.contains("chosen");
const near = (x) => Math.round(x * 10) / 10;
const joined = (p, points) => points.map(([a, b]) => p.point(near(a), near(b)).join(" ")).join(" L");

function sketch(d, p, marks) {
  const box = (name, a, b, along, across) => {
    const [x, y] = p.point(near(a), near(b)), [width, height] = p.point(near(along), near(across));
    return shape("rect", name, { x, y, width, height });
  };
  const text = (name, a, b, words, anchor) => {
    const el = shape("text", name, { x: near(a), y: near(b), "text-anchor": anchor });
    el.textContent = words;
    return el;
  };
  const out = [], ways = [], grey = [], warm = [], hits = [], deep = p.high - p.low;
  for (let layer = 0; layer < d.layers; layer += 2) out.push(box("band", p.at(layer), p.low, p.step, deep));
  p.gaps.forEach(([across, size]) => out.push(box("gap", p.from - 8, across, p.to - p.from + 18, size)));
  d.lines.forEach((line, i) => {
    const kind = i === d.chosen ? "way chosen" : line[1] === 0 ? "way first" : "way";
    const y = p.across[i], half = d.sizes[i].map((size) => (0.7 + 0.033 * size) * p.thin * (i === d.chosen ? 1.25 : 1));
    const edge = [[p.from - 8, 0.5], ...half.map((w, s) => [p.at(s), w]), [p.to + 9, half.at(-1)]];
    const outline = [...edge.map(([a, w]) => [a, y - w]), ...edge.reverse().map(([a, w]) => [a, y + w])];
    const way = shape("path", kind, { d: `M${joined(p, outline)}Z` });
    way.setAttribute("data-line", i);
    ways.push(way);
    hits.push(shape("path", "hit", { d: `M${joined(p, [[p.from - 8, y], [p.to + 9, y]])}` }, marks.streams[i]));
    if (d.end) ways.push(shape("path", i === d.chosen ? "end chosen" : "end", { d: `M${joined(p, [[p.to + 10, y - 6 * p.thin], [p.to + 14, y - 6 * p.thin], [p.to + 14, y + 6 * p.thin], [p.to + 10, y + 6 * p.thin]])}` }));
    marks.streams[i].els = [way];
  });
  d.arcs.forEach((arc, k) => {
    const [from, to, x] = ends(p, arc), [y0, y1] = [p.across[arc[3]], p.across[arc[2]]], c = p.bend;
    const [m, a, b, e] = [[from, y0], [x + 2 * c, y0], [x - 6 * c, y1], [to, y1]].map(([s, t]) => p.point(near(s), near(t)).join(" "));
    const path = `M${m} C${a} ${b} ${e}`, [cx, cy] = p.point(near(from), near(y0)), name = arc[7] ? "arc chosen" : "arc";
    const group = shape("g", name, { "data-line": arc[2] });
    group.append(shape("path", "", { d: path, "stroke-width": near(0.8 + 5.2 * Math.min(arc[6], 0.5)) }), shape("circle", "", { cx, cy, r: arc[7] ? 3 : 2.4 }));
    (arc[7] ? warm : grey).push(group);
    hits.push(shape("path", arc[7] ? "hit chosen" : "hit", { d: path }, marks.arcs[k]));
    marks.arcs[k].els = [group];
  });
  hits.sort((a, b) => own(a) - own(b));
  const line = p.across[d.chosen], stems = p.pills.map((pill) => {
    const beside = p.up ? [pill.x > line ? pill.x : pill.x + pill.size, pill.y + PILL / 2] : [within(pill.stem, pill.x + 8, pill.x + pill.size - 8), pill.y];
    return shape("path", "stem", { d: `M${p.point(near(pill.stem), near(line)).join(" ")} L${beside.map(near).join(" ")}` });
  });
  const says = p.told.map(([k, x, y, words]) => Object.assign(text("told", x, y, words, "start"), { mark: marks.arcs[k] }));
  const below = p.point(p.to, p.high);
  if (p.up && d.lines[d.chosen][2]) stems.push(shape("path", "stem", { d: `M${near(line)} ${p.to + 9} V${p.to + p.lead + 18}` }));
  const ticks = tickAt(d, p).map((l) => (p.up ? text("tick", p.low - 6, p.at(l + 0.5) + 4, l, "end") : text("tick", p.at(l + 0.5), below[1] + 15, l, "middle")));
  ticks.push(p.up ? text("tick", p.low - 6, p.from - 3, d.say.layer, "end") : text("tick", p.from - 12, below[1] + 15, d.say.layer, "end"));
  return [...out, ...ways.filter((el) => !own(el)), ...grey, ...ways.filter(own), ...stems, ...warm, ...ticks, ...hits, ...says];
}

// The layers that are numbered: every one where there is room, else every 5th or 10th, and the last.
function tickAt(d, p) {
  const need = p.up ? 13 : 24, every = [1, 5, 10, 20].find((step) => step * p.step >= (step === 1 ? 44 : need)) ?? 40, last = d.layers - 1;
  return [...Array(d.layers).keys()].filter((l) => l === last || (l % every === 0 && (last - l) * p.step >= need));
}
