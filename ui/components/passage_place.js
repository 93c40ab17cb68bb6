// Where everything in the passage stands. "along" runs through the layers, "across" from line to line; upright, the
// lines run down.
const PEN = document.createElement("canvas").getContext("2d"), NARROW = 640, SIDE = 880, PILL = 22;
const within = (x, low, high) => Math.max(low, Math.min(high, x));
const wide = (text, font) => { PEN.font = font; return PEN.measureText(text).width; };
const widest = (texts, font) => Math.ceil(Math.max(0, ...texts.map((text) => wide(text, font))));

function place(d, width, mono, font) {
  const up = width < NARROW, n = d.lines.length, side = d.best.length > 0 && width >= SIDE, small = width < SIDE;
  const label = widest(d.lines.map((line) => line[0]), `600 13px ${mono}`), f = { mono, font };
  const leads = d.end ? wide(d.end, `700 13px ${font}`) + 28 : widest(d.lines.map((line) => line[2]), `600 13.5px ${mono}`) + 76;
  const p = { up, side, width, f, words: d.words.map((word) => Math.min(small ? 96 : 128, wide(word[1], `600 12px ${mono}`) + 20)) };
  const gap = (i) => (d.gaps.some((each) => each[0] === i) ? (up ? 10 : 26) : 0), gaps = d.gaps.length;
  if (up) {
    p.chip = within(label + 14, 40, 104);
    p.lead = d.end ? 22 : within(leads - 12, 44, 116);
    p.big = d.end ? leads : p.lead + 24;
    p.room = d.words.length && n <= 14 ? Math.max(...p.words) + 10 : 0;
    const left = 46, row = Math.min(56, (width - left - p.room - 10 * gaps - 4) / n);
    [p.low, p.row, p.from] = [left, row, p.chip + 12];
    p.to = p.from + within(d.layers * 15, 240, 470);
  } else {
    p.chip = within(label + 24, 54, small ? 100 : 140);
    p.lead = Math.min(d.end ? Math.max(leads, 40) : Math.max(leads, 104), small ? 136 : 184);
    [p.from, p.to] = [p.chip + 26, width - p.lead - (side ? 178 : 0) - 18];
    p.row = n > 12 ? 26 : 28;
    p.overs = overs(d, p, font);
    p.low = p.overs.height + 12;
  }
  p.step = (p.to - p.from) / d.layers;
  p.at = (layer) => p.from + p.step * layer; // where a layer begins
  p.bend = within(p.step / 30, 0.5, 1.3);
  p.thin = Math.min(1, p.row / 24);
  if (!up) packed(d, p);
  let across = p.low;
  p.gaps = [];
  const open = (size) => { p.gaps.push(up ? [across, size] : [across + 3, size - 6]); across += size; };
  p.across = d.lines.map((_, i) => {
    if (gap(i)) open(gap(i));
    across += p.row;
    const middle = across - p.row / 2;
    if (i === d.chosen) across += p.room;
    return middle;
  });
  if (gap(n)) open(gap(n));
  p.high = across;
  if (up) stacked(d, p);
  else p.pills.forEach((pill) => { pill.y += p.across[d.chosen]; });
  p.height = up ? p.to + p.lead + 16 + (d.end || d.lines[d.chosen][2] ? 38 : 0) : p.high + 24;
  p.point = (a, b) => (up ? [b, a] : [a, b]);
  p.told = told(d, p);
  return p;
}

// The words above the steps: each where its step begins, moved until none stands in another.
function overs(d, p, font) {
  const starts = [0, p.from - 8, p.from + 0.4 * (p.to - p.from), p.from + 0.72 * (p.to - p.from), p.to + 14], gap = 14;
  const sizes = d.steps.map((step) => Math.ceil(wide(step[0], `600 13px ${font}`)) + 31), all = sizes.reduce((a, b) => a + b + gap, 0);
  const most = all <= p.width ? Infinity : Math.max(84, p.width / sizes.length - gap);
  const size = sizes.map((each) => Math.min(each, most)), x = d.steps.map((_, k) => starts[k] ?? 0);
  let end = p.width;
  for (let k = x.length - 1; k >= 0; k--) { x[k] = Math.min(x[k], end - size[k]); end = x[k] - gap; }
  for (let k = 0, from = 0; k < x.length; k++) { x[k] = Math.max(x[k], from); from = x[k] + size[k] + gap; }
  return { x, size, height: all <= p.width ? 27 : 46 };
}

// Words under the chosen line, in as few rows as they need.
function packed(d, p) {
  const ends = [];
  p.pills = d.words.map(([layer], k) => {
    const size = p.words[k], wanted = within(p.at(layer + 1) - size / 2, p.from - 6, p.to + 6 - size);
    let row = ends.findIndex((end) => end + 5 <= wanted);
    if (row < 0) row = ends.length < 3 ? ends.length : ends.indexOf(Math.min(...ends));
    const x = Math.max(wanted, (ends[row] ?? -1e9) + 5);
    ends[row] = x + size;
    return { x, y: 11 + row * 25, size, stem: p.at(layer + 1) };
  });
  p.room = ends.length ? ends.length * 25 + 4 : 0;
}

// Words beside the chosen line, one below the other.
function stacked(d, p) {
  const line = p.across[d.chosen], right = p.room > 0 || line < p.width / 2;
  const y = d.words.map(([layer]) => p.at(layer + 1) - PILL / 2);
  let end = p.to + PILL / 2;
  for (let k = y.length - 1; k >= 0; k--) { y[k] = Math.min(y[k], end - PILL - 2); end = y[k]; }
  for (let k = 1; k < y.length; k++) y[k] = Math.max(y[k], y[k - 1] + PILL + 2);
  p.pills = d.words.map(([layer], k) => ({ x: right ? line + 9 : line - 9 - p.words[k], y: y[k], size: p.words[k], stem: p.at(layer + 1) }));
}

// Both ends of an arc, along: it begins at the token that is looked at, and meets the looking one in its layer.
function ends(p, [layer, , looking, looked]) {
  const x = p.at(layer + 0.5), far = Math.min(10 + 3 * Math.abs(looking - looked), 46) * p.bend;
  return [Math.max(p.from - 5, x - far), x + 6 * p.bend, x];
}

const dot = (p, arc) => p.point(ends(p, arc)[0], p.across[arc[3]]);

// What is told at arcs: beside the dot, where it meets neither a word nor another of its kind.
function told(d, p) {
  const taken = [...p.pills.map(({ x, y, size }) => [x, y, size, PILL]), ...d.arcs.filter((arc) => arc[7]).map((arc) => dot(p, arc).map((x) => x - 3)).map(([x, y]) => [x, y, 6, 6])], [left, right] = p.up ? [p.low - 6, p.width] : [p.from - 8, p.to + 8];
  const [top, bottom] = p.up ? [p.from, p.to] : [p.low - 14, p.high];
  const free = ([x, y, w, h]) => x >= left && x + w <= right && y >= top && y + h <= bottom && taken.every(([a, b, c, e]) => x + w + 4 <= a || a + c + 4 <= x || y + h <= b || b + e <= y);
  return d.arcs.flatMap((arc, k) => {
    if (!arc[8]) return [];
    const [x, y] = dot(p, arc), w = wide(arc[8], `600 12px ${p.f.font}`);
    const spots = [-20, 6, -35, 21].flatMap((dy) => [[x - 7 - w, y + dy], [x + 7, y + dy], [x - w / 2, y + dy]]);
    const spot = spots.map(([a, b]) => [a, b, w, 15]).find(free);
    if (!spot) return [];
    taken.push(spot);
    return [[k, spot[0], spot[1] + 12, arc[8]]];
  });
}
