// The picture of a grid: sizes and places, labels, cells.
const MONO = "500 12px ", TURN = (50 * Math.PI) / 180;
const PHONE = 500, WORD = 34, NAME = 44, LINE = 14; // pixels: a narrow place; cells there with words or names, and how high

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
  const least = width < PHONE ? (g.inside ? WORD : g.names ? NAME : 0.5) : 0.5;
  const x = Math.max(least, flat ? even : heads.reduce(leant, even)); // the page measures a width of almost nothing while it opens
  const y = g.tiles || square ? x : Math.min(x, 30, Math.max(tall / n, least < 1 ? 0.5 : LINE));
  const top = flat ? 18 : rise * Math.sin(TURN) + 12, bottom = top + n * y, colX = (c) => left + c * x + gaps(c);
  const cell = (px, py) => {
    const r = Math.floor((py - top) / y), c = g.cols.findIndex((_, i) => px >= colX(i) && px < colX(i) + x);
    return r >= 0 && r < n && c >= 0 && there(g, [r, c]) ? [r, c] : null;
  };
  const right = colX(m - 1) + x, reach = flat ? right : Math.max(...heads.map((w, c) => colX(c) + x / 2 + w * Math.cos(TURN)));
  return { n, m, left, top, x, y, flat, labels, rise, colX, cell, bottom, right, width: least < 1 || x > least ? width : Math.max(width, Math.ceil(Math.max(right, reach) + 2)),
    air: Math.min(x, y) >= 11 ? 2 : Math.min(x, y) >= 5 ? 1 : 0, height: bottom + (g.col_axis ? 26 : 6) };
}

const stepFor = (room, size) => [1, 2, 5, 10, 20, 50, 100, 200, 500].find((k) => k * size >= room) ?? 1000;

function clipped(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  const parts = [...text];
  while (parts.length > 1 && pen.measureText(parts.join("") + "…").width > room) parts.pop();
  return parts.join("") + "…";
}

// from: how far a grid that is wider than its place is scrolled; its rows' labels stay in sight.
function drawLabels(g, pen, at, focus, look, from) {
  pen.textBaseline = "middle";
  const each = stepFor(13, at.y), along = stepFor(at.flat ? at.rise + 6 : 13, at.x);
  const shown = (i, every, chosen) => i === chosen || (i % every === 0 && (every === 1 || chosen === undefined || Math.abs(i - chosen) >= every * 0.7));
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
  if (from > 0) pen.clearRect(0, 0, from + at.left - 2, at.height);
  pen.textAlign = "right";
  g.rows.forEach((label, r) => {
    if (!shown(r, each, focus?.[0])) return;
    pen.font = (r === focus?.[0] ? "700 12px " : MONO) + look.mono;
    pen.fillStyle = r === focus?.[0] ? look.accent : look.ink;
    pen.fillText(clipped(pen, label, at.labels + 2), from + at.left - 8, at.top + (r + 0.5) * at.y);
  });
  pen.font = "400 11.5px " + look.font;
  pen.fillStyle = look.mute;
  pen.textAlign = "center";
  if (g.row_axis) {
    pen.save();
    pen.translate(from + 8, (at.top + at.bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(g.row_axis, 0, 0);
    pen.restore();
  }
}

function drawCells(g, pen, at, focus, look) {
  const inner = Math.min(at.x, at.y) - at.air, round = Math.min(4, inner / 5);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = `560 ${Math.min(12, Math.max(11, at.y * 0.42))}px ` + look.font;
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
function sheetOf(g, at, look, scale) {
  const w = Math.max(1, Math.round((at.right - at.left) * scale)), h = Math.max(1, Math.round((at.bottom - at.top) * scale));
  const image = new ImageData(w, h), to = new Uint32Array(image.data.buffer), packed = look.ramp.map(([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
  const spans = (size, count) => Array.from({ length: size }, (_, i) => {
    const a = Math.floor((i * count) / size);
    return [a, Math.max(a + 1, Math.floor(((i + 1) * count) / size))];
  });
  const strong = g.signed ? (p) => Math.abs(p - 127.5) : (p) => p;
  const colours = Int16Array.from(g.z, (v) => place(g, v)), across = spans(w, at.m);
  spans(h, at.n).forEach(([r0, r1], py) => across.forEach(([c0, c1], px) => {
    let best = -1;
    for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) {
      const p = colours[r * at.m + c];
      if (p >= 0 && (best < 0 || strong(p) > strong(best))) best = p;
    }
    if (best >= 0) to[py * w + px] = packed[best];
  }));
  return canvasOf(image);
}

function drawSheet(pen, at, sheet, look, scale) {
  pen.save();
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.drawImage(sheet, Math.round(at.left * scale), Math.round(at.top * scale));
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

