// What a grid is sent as, where a number stands on its scale of colours, and how it is written.
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
  if (header.triangle) header.pixels = squared(header.pixels, header.tiles[0]);
  return header;
}

// Small pictures of which only what lies on and below the diagonal was sent, row after row.
function squared(pixels, side) {
  const each = (side * (side + 1)) / 2, whole = new Uint8Array((pixels.length / each) * side * side);
  for (let from = 0, to = 0; from < pixels.length; to += side * side) {
    for (let r = 0; r < side; from += ++r) whole.set(pixels.subarray(from, from + r + 1), to + r * side);
  }
  return whole;
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
  return ((g.difference && v > 0 ? "+" : "") + (g.percent ? `${digits(100 * v)} %` : digits(v))).replaceAll("-", "−");
}

// A number as a cell prints it: the same decimals in every cell, 0 without a sign. Percents are whole, but for differences.
function short(g, v) {
  const unit = g.percent ? 100 : 1, high = unit * g.high;
  const decimals = (g.percent && !g.signed) || high >= 50 ? 0 : high >= 5 ? 1 : 2;
  return (unit * v).toFixed(decimals).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
}

// Whether a cell is one: where cells have names, one without is only there to fill the last row.
const there = (g, [r, c]) => !g.names || g.names[r * g.shape[1] + c] !== "";

