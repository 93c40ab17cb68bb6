// What several components share: theme colours, keyboard steps, a delay that a newer call replaces.
// A component's own element, from its script's first line on visible: before, what can be pressed or written in it has no
// name.
function rootOf(parent) {
  const root = parent.querySelector(".root");
  root.style.visibility = "";
  return root;
}

const cssVar = (el, name) => getComputedStyle(el).getPropertyValue(name).trim();
const palette = (el, name) => cssVar(el, name).split(",").map((c) => c.trim()).filter(Boolean);
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// 256 colours between the given stops, as [r, g, b].
function ramp(stops) {
  const ends = stops.map(rgb), last = ends.length - 1;
  return Array.from({ length: 256 }, (_, i) => {
    const x = (i / 255) * last, a = Math.min(Math.floor(x), last - 1), f = x - a;
    return ends[a].map((v, c) => Math.round(v + (ends[a + 1][c] - v) * f));
  });
}

// The theme's scale. Signed: the page's own colour stands in the middle, where zero is.
function stops(root, signed) {
  const colours = palette(root, signed ? "--st-chart-diverging-colors" : "--st-chart-sequential-colors"), half = colours.length / 2;
  return signed ? [...colours.slice(0, half), cssVar(root, "--st-background-color"), ...colours.slice(half)] : colours;
}

const bright = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};

// A sentence with its {places} filled.
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));

function debounced(wait) {
  let timer = 0;
  const call = (action) => { clearTimeout(timer); timer = setTimeout(() => { timer = 0; action(); }, wait); };
  call.pending = () => timer !== 0;
  call.stop = () => { clearTimeout(timer); timer = 0; };
  return call;
}
