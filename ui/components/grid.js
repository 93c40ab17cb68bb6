// A grid of coloured cells on one canvas, with labels, a legend and a line that reads the chosen cell.
const MEMORY = new WeakMap();
const MONO = "500 12px ", TURN = (50 * Math.PI) / 180;

// Header length (u32), JSON header, then the buffers named in header.buffers.
function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  for (const [name, kind, count] of header.buffers) {
    const size = kind === "f4" ? 4 * count : count, part = bytes.slice(at, at + size).buffer;
    header[name] = kind === "f4" ? new Float32Array(part) : new Uint8Array(part);
    at += size;
  }
  return header;
}

// Where a value stands on the colour scale: 0 … 255, or -1 for an empty cell. Bytes arrive as that already.
function place(g, v) {
  if (g.steps) return v === 255 ? -1 : Math.round((v * 255) / 254);
  if (Number.isNaN(v)) return -1;
  const t = g.signed ? (v / g.high + 1) / 2
    : g.logarithmic ? Math.log(Math.max(v, g.low) / g.low) / Math.log(g.high / g.low)
    : (v - g.low) / (g.high - g.low);
  return Math.round(255 * Math.min(1, Math.max(0, t)));
}

// The value behind a byte: only as exact as 255 steps.
function decoded(g, v) {
  if (!g.steps) return v;
  if (v === 255) return NaN;
  const t = v / 254;
  return g.signed ? (2 * t - 1) * g.high : g.logarithmic ? g.low * (g.high / g.low) ** t : g.low + t * (g.high - g.low);
}

// A number as the line below prints it: three leading digits.
function spoken(g, v) {
  if (Number.isNaN(v)) return g.empty;
  const digits = (x) => (x === 0 ? "0" : Math.abs(x) >= 1e6 || Math.abs(x) < 1e-4 ? x.toExponential(1) : String(+x.toPrecision(3)));
  return (g.percent ? `${digits(100 * v)} %` : digits(v)).replaceAll("-", "−");
}

// A number as a cell prints it: the same decimals in every cell.
function short(g, v) {
  const decimals = g.percent || g.high >= 50 ? 0 : g.high >= 5 ? 1 : 2;
  return (g.percent ? 100 * v : v).toFixed(decimals).replace("-", "−");
}

// The theme's scale. Signed: the page's own colour stands in the middle, where zero is.
function stops(root, signed) {
  const colours = palette(root, signed ? "--st-chart-diverging-colors" : "--st-chart-sequential-colors"), half = colours.length / 2;
  return signed ? [...colours.slice(0, half), cssVar(root, "--st-background-color"), ...colours.slice(half)] : colours;
}

// Whether a cell is one: where cells have names, one without is only there to fill the last row.
const there = (g, [r, c]) => !g.names || g.names[r * g.shape[1] + c] !== "";

// Sizes and places of everything, for a given width.
function measure(g, pen, width, mono) {
  const [n, m] = g.shape, wedge = 7;
  pen.font = MONO + mono;
  const wide = (label) => pen.measureText(label).width;
  const labels = Math.min(Math.max(...g.rows.map(wide)), 170, width * 0.3), heads = g.cols.map((label) => Math.min(wide(label), 120));
  const rise = Math.max(...heads), left = labels + 8 + (g.row_axis ? 21 : 0);
  const gaps = (c) => (g.groups ? Math.floor(c / g.groups) * wedge : 0);
  const square = n === m, tall = square ? 560 : window.innerWidth < 700 ? 330 : 540, cap = g.tiles ? 38 : square ? Math.min(44, tall / n) : 64;
  const even = Math.min(cap, (width - left - gaps(m - 1) - 2) / m), flat = rise <= even - 4;
  // Turned labels lean to the right: the cells leave room for the one that reaches furthest.
  const leant = (most, w, c) => Math.min(most, (width - left - gaps(c) - w * Math.cos(TURN) - 4) / (c + 0.5));
  const x = Math.max(0.5, flat ? even : heads.reduce(leant, even)); // the page measures a width of almost nothing while it opens
  const y = g.tiles || square ? x : Math.min(x, 30, Math.max(tall / n, 0.5));
  const top = flat ? 18 : rise * Math.sin(TURN) + 12, bottom = top + n * y, colX = (c) => left + c * x + gaps(c);
  const cell = (px, py) => {
    const r = Math.floor((py - top) / y), c = g.cols.findIndex((_, i) => px >= colX(i) && px < colX(i) + x);
    return r >= 0 && r < n && c >= 0 && there(g, [r, c]) ? [r, c] : null;
  };
  return { n, m, left, top, x, y, flat, labels, rise, colX, cell, bottom, right: colX(m - 1) + x,
    air: Math.min(x, y) >= 11 ? 2 : Math.min(x, y) >= 5 ? 1 : 0, height: bottom + (g.col_axis ? 26 : 6) };
}

const stepFor = (room, size) => [1, 2, 5, 10, 20, 50, 100, 200, 500].find((k) => k * size >= room) ?? 1000;

function clipped(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  const parts = [...text];
  while (parts.length > 1 && pen.measureText(parts.join("") + "…").width > room) parts.pop();
  return parts.join("") + "…";
}

function drawLabels(g, pen, at, focus, look) {
  pen.textBaseline = "middle";
  const each = stepFor(13, at.y), along = stepFor(at.flat ? at.rise + 6 : 13, at.x);
  const shown = (i, every, chosen) => i === chosen || (i % every === 0 && (every === 1 || chosen === undefined || Math.abs(i - chosen) >= every * 0.7));
  pen.textAlign = "right";
  g.rows.forEach((label, r) => {
    if (!shown(r, each, focus?.[0])) return;
    pen.font = (r === focus?.[0] ? "700 12px " : MONO) + look.mono;
    pen.fillStyle = r === focus?.[0] ? look.accent : look.ink;
    pen.fillText(clipped(pen, label, at.labels + 2), at.left - 8, at.top + (r + 0.5) * at.y);
  });
  g.cols.forEach((label, c) => {
    if (!shown(c, along, focus?.[1])) return;
    pen.font = (c === focus?.[1] ? "700 12px " : MONO) + look.mono;
    pen.fillStyle = c === focus?.[1] ? look.accent : look.ink;
    pen.save();
    pen.translate(at.colX(c) + at.x / 2, at.top - (at.flat ? 10 : 6));
    pen.textAlign = at.flat ? "center" : "left";
    if (!at.flat) pen.rotate(-TURN);
    pen.fillText(clipped(pen, label, at.flat ? at.rise + 2 : at.rise), 0, 0);
    pen.restore();
  });
  pen.font = "400 11.5px " + look.font;
  pen.fillStyle = look.mute;
  pen.textAlign = "center";
  if (g.col_axis) pen.fillText(g.col_axis, (at.left + at.right) / 2, at.bottom + 17);
  if (g.row_axis) {
    pen.save();
    pen.translate(8, (at.top + at.bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(g.row_axis, 0, 0);
    pen.restore();
  }
}

function drawCells(g, pen, at, focus, look) {
  const inner = Math.min(at.x, at.y) - at.air, round = Math.min(4, inner / 5);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = `560 ${Math.min(12, Math.max(9.5, at.y * 0.42))}px ` + look.font;
  const least = 0.095 * g.high;
  const longest = g.names ?? [g.signed ? -g.high : g.low, g.high].map((v) => short(g, v));
  const widest = Math.max(...longest.map((words) => pen.measureText(words).width));
  const room = at.x - at.air - 3, printed = at.y >= (g.names || g.inside ? 13 : 15) && room >= (g.inside ? 26 : widest);
  for (let r = 0; r < at.n; r++) for (let c = 0; c < at.m; c++) {
    if (!there(g, [r, c])) continue;
    const raw = g.z[r * at.m + c], colour = place(g, raw), x = at.colX(c), y = at.top + r * at.y;
    pen.beginPath();
    pen.roundRect(x + at.air / 2, y + at.air / 2, at.x - at.air, at.y - at.air, round);
    if (colour < 0) {
      if (inner < 7) continue;
      pen.globalAlpha = 0.55; pen.strokeStyle = look.line; pen.lineWidth = 0.75; pen.stroke(); pen.globalAlpha = 1;
      continue;
    }
    const paint = look.ramp[colour];
    pen.fillStyle = `rgb(${paint})`;
    pen.fill();
    if (inner >= 7 && bright(paint) * 0.9 > 0.72 !== look.dark && colour < 24 && !g.signed) {
      pen.globalAlpha = 0.5; pen.strokeStyle = look.line; pen.lineWidth = 0.5; pen.stroke(); pen.globalAlpha = 1;
    }
    const chosen = focus && focus[0] === r && focus[1] === c, v = chosen && g.exact !== null && g.steps ? g.exact : decoded(g, raw);
    if (!printed || (!g.names && !g.inside && !chosen && Math.abs(v) < least)) continue;
    const text = g.names ? g.names[r * at.m + c] : g.inside ? clipped(pen, g.inside[r * at.m + c], room) : short(g, v);
    pen.fillStyle = bright(paint) > 0.2 ? "#12161a" : "#ffffff";
    pen.fillText(text, x + at.x / 2, y + at.y / 2 + 0.5);
  }
}

// Cells too small for shapes: one pixel buffer; a pixel that covers several cells takes the strongest.
function drawPixels(g, pen, at, look, scale) {
  const w = Math.max(1, Math.round((at.right - at.left) * scale)), h = Math.max(1, Math.round((at.bottom - at.top) * scale));
  const image = new ImageData(w, h), span = (i, size, count) => {
    const a = Math.floor((i * count) / size);
    return [a, Math.max(a + 1, Math.floor(((i + 1) * count) / size))];
  };
  const strong = g.signed ? (p) => Math.abs(p - 127.5) : (p) => p;
  const colours = Int16Array.from(g.z, (v) => place(g, v));
  for (let py = 0; py < h; py++) {
    const [r0, r1] = span(py, h, at.n);
    for (let px = 0; px < w; px++) {
      const [c0, c1] = span(px, w, at.m);
      let best = -1;
      for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) {
        const p = colours[r * at.m + c];
        if (p >= 0 && (best < 0 || strong(p) > strong(best))) best = p;
      }
      if (best >= 0) image.data.set([...look.ramp[best], 255], 4 * (py * w + px));
    }
  }
  pen.save();
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.drawImage(canvasOf(image), Math.round(at.left * scale), Math.round(at.top * scale));
  pen.restore();
  pen.strokeStyle = look.line;
  pen.lineWidth = 1;
  pen.strokeRect(at.left - 0.5, at.top - 0.5, at.right - at.left + 1, at.bottom - at.top + 1);
}

function canvasOf(image) {
  const sheet = new OffscreenCanvas(image.width, image.height);
  sheet.getContext("2d").putImageData(image, 0, 0);
  return sheet;
}

// A small picture in every cell.
function drawTiles(g, pen, at, look) {
  const [th, tw] = g.tiles, size = th * tw;
  pen.imageSmoothingEnabled = tw > at.x;
  for (let r = 0; r < at.n; r++) for (let c = 0; c < at.m; c++) {
    const image = new ImageData(tw, th), from = (r * at.m + c) * size;
    for (let i = 0; i < size; i++) image.data.set([...look.ramp[g.pixels[from + i]], 255], 4 * i);
    const x = at.colX(c) + 1, y = at.top + r * at.y + 1;
    pen.drawImage(canvasOf(image), x, y, at.x - 2, at.y - 2);
    pen.strokeStyle = look.line;
    pen.lineWidth = 0.75;
    pen.strokeRect(x - 0.25, y - 0.25, at.x - 1.5, at.y - 1.5);
  }
}

function outline(pen, at, [r, c], colour, thick) {
  const x = at.colX(c), y = at.top + r * at.y, least = Math.max(0, 7 - Math.min(at.x, at.y)) / 2;
  pen.beginPath();
  pen.roundRect(x - 0.5 - least, y - 0.5 - least, at.x + 1 + 2 * least, at.y + 1 + 2 * least, Math.min(5, at.y / 4 + 1));
  pen.strokeStyle = colour;
  pen.lineWidth = thick;
  pen.stroke();
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root"), canvas = root.querySelector("canvas");
  const pad = root.querySelector(".pad"), readout = root.querySelector(".readout"), live = root.querySelector(".live");
  const memory = MEMORY.get(root) ?? { soon: debounced(180), hover: null, focus: null };
  MEMORY.set(root, memory);
  if (memory.data !== data) memory.grid = unpack(data);
  memory.data = data;
  const g = memory.grid, [n, m] = g.shape;
  if (!memory.soon.pending()) memory.focus = g.focus;
  const look = {
    ink: cssVar(root, "--st-text-color"), mute: cssVar(root, "--st-gray-color"), line: cssVar(root, "--st-border-color"),
    accent: cssVar(root, "--st-primary-color"), focus: cssVar(root, "--st-orange-color"),
    mono: cssVar(root, "--st-code-font"), font: cssVar(root, "--st-font"),
    ramp: ramp(stops(root, g.signed)),
  };
  look.dark = bright(rgb(cssVar(root, "--st-background-color"))) < 0.2;
  const pen = canvas.getContext("2d");
  let at = null;

  function draw() {
    const width = Math.floor(pad.clientWidth), scale = window.devicePixelRatio || 1;
    if (!width) return;
    at = measure(g, pen, width, look.mono);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${Math.ceil(at.height)}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(Math.ceil(at.height) * scale);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    if (g.tiles) drawTiles(g, pen, at, look);
    else if (at.air) drawCells(g, pen, at, memory.focus, look);
    else drawPixels(g, pen, at, look, scale);
    drawLabels(g, pen, at, memory.focus, look);
    if (memory.hover) outline(pen, at, memory.hover, look.mute, 1.25);
    if (memory.focus) outline(pen, at, memory.focus, look.focus, 2.4);
    read(memory.hover ?? memory.focus);
  }

  function sentence([r, c]) {
    const same = g.focus && g.focus[0] === r && g.focus[1] === c;
    const v = g.steps && same && g.exact !== null ? g.exact : decoded(g, g.z[r * m + c]);
    const about = g.steps && !same && !Number.isNaN(v) ? "≈ " : "";
    const unit = g.percent || Number.isNaN(v) ? "" : ` ${g.unit}`;
    const where = g.names ? [["", g.names[r * m + c]]] : [[g.row_axis, g.rows[r]], [g.col_axis, g.cols[c]]];
    const held = g.inside ? `“${g.inside[r * m + c]}” ` : "";
    return [where, held + about + spoken(g, v) + unit];
  }

  function read(cell) {
    if (!cell) return readout.replaceChildren(g.selects === "none" ? "" : g.hint);
    const [where, value] = sentence(cell), bold = (text, kind) => Object.assign(document.createElement("b"), { textContent: text, className: kind ?? "" });
    const words = where.flatMap(([axis, label], i) => [(i ? " · " : "") + (axis && `${axis} `), bold(label)]);
    readout.replaceChildren(...words, ": ", bold(value, "value"));
  }

  function choose(cell, now) {
    if (!there(g, cell)) return;
    memory.focus = cell;
    memory.hover = null;
    const [where, value] = sentence(cell);
    live.textContent = `${where.map((words) => words.filter(Boolean).join(" ")).join(", ")}: ${value}`;
    draw();
    if (g.selects === "none") return;
    const send = () => setTriggerValue("cell", { row: cell[0], col: cell[1] });
    if (now) { memory.soon.stop(); send(); } else memory.soon(send);
  }

  const under = (e) => { const box = canvas.getBoundingClientRect(); return at?.cell(e.clientX - box.left, e.clientY - box.top); };
  canvas.onclick = (e) => { const cell = under(e); if (cell) choose(cell, true); };
  canvas.onpointermove = (e) => {
    const cell = under(e), old = memory.hover;
    if (cell?.[0] === old?.[0] && cell?.[1] === old?.[1]) return;
    memory.hover = cell;
    canvas.style.cursor = cell && g.selects !== "none" ? "pointer" : "default";
    draw();
  };
  canvas.onpointerleave = () => { if (memory.hover) { memory.hover = null; draw(); } };
  canvas.onkeydown = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const [r, c] = memory.focus ?? [0, 0];
    const next = { ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
      Home: [r, 0], End: [r, m - 1], PageUp: [0, c], PageDown: [n - 1, c], Enter: [r, c], " ": [r, c] }[e.key];
    if (!next) return;
    e.preventDefault();
    choose([Math.min(n - 1, Math.max(0, next[0])), Math.min(m - 1, Math.max(0, next[1]))], e.key === "Enter" || e.key === " ");
  };

  canvas.setAttribute("aria-label", g.alt);
  const bar = root.querySelector(".bar"), shades = look.ramp.filter((_, i) => i % 51 === 0).map((c) => `rgb(${c})`);
  bar.style.background = `linear-gradient(90deg, ${shades.join(", ")})`;
  const words = (name, text) => { const el = root.querySelector(name); el.textContent = text; el.hidden = !text; };
  words(".low", spoken(g, g.signed ? -g.high : g.low));
  words(".high", spoken(g, g.high));
  words(".unit", g.percent ? "" : g.unit);
  words(".notes", [g.logarithmic && g.words.log, g.steps && g.words.steps].filter(Boolean).join(" · "));
  words(".empty", g.empty);
  root.querySelector(".hole").hidden = !g.holes;

  memory.draw = draw;
  memory.watch ??= new ResizeObserver(() => memory.draw());
  memory.watch.observe(pad);
  draw();
  document.fonts?.ready.then(() => memory.draw());
  return () => { memory.soon.stop(); memory.watch.disconnect(); };
}
