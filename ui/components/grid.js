// A grid of coloured cells on one canvas, with labels, a legend and a line that reads the chosen cell.
const MEMORY = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root"), canvas = root.querySelector("canvas");
  const pad = root.querySelector(".pad"), readout = root.querySelector(".readout"), live = root.querySelector(".live");
  const memory = MEMORY.get(root) ?? { soon: debounced(180), hover: null, focus: null };
  MEMORY.set(root, memory);
  if (memory.data !== data) memory.grid = unpack(data);
  memory.data = data;
  const g = memory.grid, [n, m] = g.shape;
  // Where nothing is chosen by a cell, the reader's own place stays while the same grid fills in.
  const given = JSON.stringify([g.focus, g.rows, g.cols]), stays = g.selects === "none" && memory.given === given;
  if (!memory.soon.pending() && !stays) memory.focus = g.focus;
  memory.given = given;
  const look = {
    ink: cssVar(root, "--st-text-color"), mute: cssVar(root, "--st-gray-color"), line: cssVar(root, "--st-border-color"),
    accent: cssVar(root, "--st-primary-color"), focus: cssVar(root, "--st-orange-color"),
    mono: cssVar(root, "--st-code-font"), font: cssVar(root, "--st-font"),
    ramp: ramp(stops(root, g.signed)),
  };
  look.dark = bright(rgb(cssVar(root, "--st-background-color"))) < 0.2;
  const pen = canvas.getContext("2d");
  let at = null, sheet = null, drawn = "";

  function draw() {
    const width = Math.floor(pad.clientWidth), scale = window.devicePixelRatio || 1, size = `${width} ${scale} ${document.fonts?.status}`;
    if (!width) return;
    if (drawn !== size) [at, sheet, drawn] = [measure(g, pen, width, look.mono), null, size];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${Math.ceil(at.height)}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(Math.ceil(at.height) * scale);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    if (g.tiles) drawTiles(g, pen, at, look);
    else if (at.air) drawCells(g, pen, at, memory.focus, look);
    else drawSheet(pen, at, sheet ??= sheetOf(g, at, look, scale), look, scale);
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
    const held = g.inside?.[r * m + c] ? `“${g.inside[r * m + c]}” ` : "";
    return [where, (g.measure && !Number.isNaN(v) ? `${g.measure} ` : "") + held + about + spoken(g, v) + unit];
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
    if (now) send(cell, g.opens ? "open" : "choose");
    else memory.soon(() => send(cell, "choose"));
  }

  // Of two triggers that come while the page is made only the last arrives: opening or leaving a window is asked for
  // again with whatever follows it, until there is another picture.
  function send([row, col], how) {
    memory.soon.stop();
    memory.hover = null;
    const done = how === "choose" && memory.asked?.g === g ? memory.asked.done : { row, col, how, of: g.cells };
    if (how === "open" || how === "leave") memory.asked = { g, done };
    setTriggerValue("cell", done);
  }

  function leave() {
    send([0, 0], "leave");
    canvas.focus({ preventScroll: true });
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
    if (e.key === "Escape" && g.leaves) { e.preventDefault(); return leave(); }
    const [r, c] = memory.focus ?? [0, 0];
    const next = { ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
      Home: [r, 0], End: [r, m - 1], PageUp: [0, c], PageDown: [n - 1, c], Enter: [r, c], " ": [r, c] }[e.key];
    if (!next) return;
    e.preventDefault();
    choose([Math.min(n - 1, Math.max(0, next[0])), Math.min(m - 1, Math.max(0, next[1]))], e.key === "Enter" || e.key === " ");
  };

  canvas.setAttribute("aria-label", g.opens ? `${g.alt} ${g.hint}` : g.alt);
  const bar = root.querySelector(".bar"), shades = look.ramp.filter((_, i) => i % 51 === 0).map((c) => `rgb(${c})`);
  bar.style.background = `linear-gradient(90deg, ${shades.join(", ")})`;
  const words = (name, text) => { const el = root.querySelector(name); el.textContent = text; el.hidden = !text; };
  words(".low", spoken(g, g.signed ? -g.high : g.low));
  words(".high", spoken(g, g.high));
  words(".unit", g.percent ? "" : g.unit);
  words(".notes", [g.logarithmic && g.words.log, g.steps && g.words.steps].filter(Boolean).join(" · "));
  words(".empty", g.empty);
  root.querySelector(".hole").hidden = !g.holes;

  // Where in the whole text a window lies; a click there moves it.
  const within = root.querySelector(".within"), all = within.querySelector("svg");
  within.hidden = !g.opens && !(g.part && g.leaves);
  all.toggleAttribute("hidden", !g.leaves);
  words(".label", g.opens ? g.hint : g.part?.label ?? "");
  words(".whole", g.leaves ? g.words.whole : "");
  if (g.part && g.leaves) {
    const { window: [top, bottom, left, right], length } = g.part, share = (tokens) => (100 * tokens) / length;
    const put = (el, values) => Object.entries(values).forEach(([name, value]) => el.setAttribute(name, value));
    put(all.querySelector(".seen"), { x: share(left), y: share(top), width: Math.max(4, share(right - left)), height: Math.max(4, share(bottom - top)) });
    within.querySelector(".whole").onclick = leave;
    all.onclick = (e) => {
      const box = all.getBoundingClientRect(), token = (x, size) => Math.min(length - 1, Math.max(0, Math.floor((x / size) * length)));
      send([token(e.clientY - box.top, box.height), token(e.clientX - box.left, box.width)], "place");
    };
  }

  memory.draw = draw;
  memory.watch ??= new ResizeObserver(() => memory.draw());
  memory.watch.observe(pad);
  draw();
  document.fonts?.ready.then(() => memory.draw());
  return () => { memory.soon.stop(); memory.watch.disconnect(); };
}
