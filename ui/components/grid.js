// A grid of coloured cells on one canvas, with labels, a legend and a line that reads the chosen cell.
const MEMORY = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), find = (name) => root.querySelector(name);
  const [canvas, pad, scroller, tip, readout, live] = ["canvas.cells", ".pad", ".scroller", ".tip", ".readout", ".live"].map(find);
  const memory = MEMORY.get(root) ?? { soon: debounced(180), hover: null, focus: null, to: null, touched: null };
  MEMORY.set(root, memory);
  if (memory.data !== data) {
    const before = memory.grid?.cells;
    memory.grid = unpack(data);
    if (!memory.soon.pending()) memory.to = null;
    if (before !== memory.grid.cells) memory.touched &&= memory.grid.focus; // the same tokens, elsewhere
  }
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
    const width = Math.floor(scroller.clientWidth), scale = window.devicePixelRatio || 1, size = `${width} ${scale} ${document.fonts?.status}`;
    if (!width) return;
    if (drawn !== size) [at, sheet, drawn] = [measure(g, pen, width, look.mono), null, size];
    canvas.style.width = `${at.width}px`;
    canvas.style.height = `${Math.ceil(at.height)}px`;
    canvas.width = Math.round(at.width * scale);
    canvas.height = Math.round(Math.ceil(at.height) * scale);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    if (memory.revealed !== given + size) reveal(memory.focus);
    memory.revealed = given + size;
    if (g.tiles) drawTiles(g, pen, at, look);
    else if (at.air) drawCells(g, pen, at, memory.focus, look);
    else drawSheet(pen, at, sheet ??= sheetOf(g, at, look, scale), look, scale);
    if (memory.hover) outline(pen, at, memory.hover, look.mute, 1.25);
    if (memory.focus) outline(pen, at, memory.focus, look.focus, 2.4);
    drawLabels(g, pen, at, memory.focus, look, scroller.scrollLeft);
    read(memory.hover ?? memory.focus);
    edges();
    point();
  }

  // Bring a cell of a grid that is wider than its place into sight.
  function reveal(cell) {
    if (!cell || at.width <= scroller.clientWidth) return;
    const from = at.colX(cell[1]), right = scroller.scrollLeft + scroller.clientWidth;
    if (from - at.left < scroller.scrollLeft) scroller.scrollLeft = from - at.left - at.x;
    else if (from + at.x > right) scroller.scrollLeft = from + 2 * at.x - scroller.clientWidth;
  }

  // Shadows at the edges beyond which a grid goes on.
  function edges() {
    const left = find(".edge.left"), right = find(".edge.right"), from = scroller.scrollLeft;
    left.style.left = `${at.left}px`;
    left.hidden = from < 1;
    right.hidden = from > at.width - scroller.clientWidth - 1;
  }

  // What a finger has touched, beside it: the line below may be out of sight.
  function point() {
    tip.hidden = !memory.touched || !there(g, memory.touched);
    if (tip.hidden) return;
    const [r, c] = memory.touched, [where, value] = sentence(memory.touched), y = at.top + r * at.y;
    tip.textContent = `${where.map((words) => words.filter(Boolean).join(" ")).join(" · ")}: ${value}`;
    const x = at.colX(c) + at.x / 2 - scroller.scrollLeft, half = tip.offsetWidth / 2;
    tip.style.left = `${Math.min(pad.clientWidth - tip.offsetWidth, Math.max(0, x - half))}px`;
    tip.style.top = `${y > tip.offsetHeight + 10 ? y - tip.offsetHeight - 8 : y + at.y + 8}px`;
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
    if (memory.touched?.join() !== cell.join()) memory.touched = null;
    reveal(cell);
    const [where, value] = sentence(cell);
    live.textContent = `${where.map((words) => words.filter(Boolean).join(" ")).join(", ")}: ${value}`;
    draw();
    if (g.selects === "none") return;
    if (now) send(cell, g.opens ? "open" : "choose");
    else memory.soon(() => send(cell, "choose"));
  }

  // Of two triggers that come while the page is made only the last arrives: opening or leaving a window is asked for
  // again with whatever follows it, until there is another picture.
  function send([row, col], how, more) {
    memory.soon.stop();
    memory.hover = null;
    const done = how === "choose" && memory.asked?.g === g ? memory.asked.done : { row, col, how, of: g.cells, ...more };
    if (how !== "choose") memory.asked = { g, done };
    setTriggerValue("cell", done);
  }

  const under = (e) => {
    const box = canvas.getBoundingClientRect(), x = e.clientX - box.left;
    return x < scroller.scrollLeft + (at?.left ?? 0) ? null : at?.cell(x, e.clientY - box.top);
  };
  // The tokens in the middle of the cell under the pointer.
  const tokensUnder = (e) => {
    const cell = under(e), [top, bottom, left, right] = g.window ?? [];
    return cell && g.window && [top + ((cell[0] + 0.5) / n) * (bottom - top), left + ((cell[1] + 0.5) / m) * (right - left)];
  };
  canvas.onclick = (e) => {
    const cell = under(e);
    memory.touched = e.pointerType === "touch" ? cell ?? null : null;
    if (cell) choose(cell, true);
    else draw();
  };
  canvas.onpointermove = (e) => {
    if (e.pointerType === "touch") return; // it may be scrolling the page
    const cell = under(e), old = memory.hover;
    if (cell?.[0] === old?.[0] && cell?.[1] === old?.[1]) return;
    memory.hover = cell;
    canvas.style.cursor = cell && g.selects !== "none" ? "pointer" : "default";
    draw();
  };
  canvas.onblur = () => { if (memory.touched) { memory.touched = null; draw(); } };
  scroller.onscroll = draw;
  canvas.onpointerleave = () => { if (memory.hover) { memory.hover = null; draw(); } };
  canvas.onkeydown = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    if (e.key === "Escape" && g.leaves && sight) { e.preventDefault(); return sight.leave(); }
    if (sight?.key(e)) return;
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

  const sight = sightOf(root, g, look, memory, live, send);
  canvas.onwheel = (e) => sight?.wheel(e, tokensUnder(e));
  pinched(canvas, sight, tokensUnder);

  memory.draw = draw;
  memory.watch ??= new ResizeObserver(() => memory.draw());
  memory.watch.observe(scroller);
  draw();
  document.fonts?.ready.then(() => memory.draw());
  return () => { memory.soon.stop(); memory.watch.disconnect(); };
}
