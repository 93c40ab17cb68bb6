// The way through a long text's map: the whole of it as a small picture, the window as a rectangle in it, and buttons.
const QUARTER = 4, LEAST = 5; // of a window's side that an arrow key moves; percent that the rectangle takes at least
const WHEEL = 60, PINCH = 1.4; // pixels of the wheel, and how much wider two fingers stand, for one level
const counted = (n) => n.toLocaleString("en-GB");

// memory.to: the window that was asked for and is not here yet: { middle: [row, col], level }.
function sightOf(root, g, look, memory, live, send) {
  const s = g.sight, within = root.querySelector(".within"), find = (name) => within.querySelector(name);
  within.hidden = !s;
  if (!s) return null;
  const map = find(".overview"), seen = find(".seen"), label = find(".label"), most = s.sides.length - 1, w = s.words;
  const at = () => memory.to ?? { middle: s.level ? halves(g.window) : s.chosen, level: s.level };
  const side = (level) => Math.min(s.length, s.sides[level]);

  function inside(middle, level) {
    const half = Math.floor(side(level) / 2), last = Math.max(half, s.length - side(level) + half);
    return middle.map((token) => Math.min(last, Math.max(half, Math.round(token))));
  }

  function ranges({ middle, level }) {
    return middle.map((token) => { const first = level ? token - Math.floor(side(level) / 2) : 0; return [first, first + side(level)]; });
  }

  function show() {
    const now = at(), [rows, cols] = ranges(now), share = (tokens) => (100 * tokens) / s.length;
    const words = { first: counted(rows[0]), last: counted(rows[1] - 1), from_: counted(cols[0]), to: counted(cols[1] - 1), tokens: counted(s.length) };
    label.textContent = now.level ? fill(w.place, words) : g.hint;
    find(".side").textContent = now.level ? fill(w.side, { count: counted(side(now.level)) }) : w.all;
    find(".nearer").disabled = now.level === most;
    find(".further").disabled = now.level === 0;
    find(".whole").hidden = now.level === 0;
    find(".chosen").hidden = now.level === 0 || [rows, cols].every(([first, end], axis) => first <= s.chosen[axis] && s.chosen[axis] < end);
    const size = Math.max(LEAST, share(side(now.level))), [top, left] = now.middle.map((token) => Math.min(100 - size, Math.max(0, share(token) - size / 2)));
    Object.assign(seen.style, { top: `${top}%`, left: `${left}%`, width: `${size}%`, height: `${size}%` });
    seen.hidden = now.level === 0;
    map.setAttribute("aria-label", `${s.pooled}. ${label.textContent}. ${w.keys}`);
  }

  // Show another window: at once as a rectangle, and once it stays there in full.
  function move(middle, level, drag = false) {
    level = Math.min(most, Math.max(0, level));
    memory.to = { middle: inside(middle, level), level };
    show();
    if (drag) return;
    live.textContent = level ? label.textContent : w.all;
    memory.soon(() => {
      const { middle: [row, col], level } = memory.to ?? at();
      send([row, col], "move", { level });
    });
  }

  // One level nearer or further, with a token of rows and columns where it stands; else around the chosen pair, if it
  // is on view.
  function zoom(by, around) {
    const now = at(), level = Math.min(most, Math.max(0, now.level + by));
    if (level === now.level) return;
    const spans = ranges(now), here = spans.every(([first, end], axis) => first <= s.chosen[axis] && s.chosen[axis] < end);
    const fixed = around ?? (here && by > 0 ? s.chosen : now.middle);
    move(fixed.map((token, axis) => {
      if (!around) return token;
      const [first, end] = spans[axis];
      return token + (0.5 - (token - first) / (end - first)) * side(level);
    }), level);
  }

  function key(e) {
    if (e.altKey || e.ctrlKey || e.metaKey) return false;
    const by = { "+": 1, "=": 1, "-": -1, "−": -1 }[e.key];
    if (!by) return false;
    e.preventDefault();
    zoom(by);
    return true;
  }

  function leave() {
    memory.soon.stop();
    memory.to = { middle: at().middle, level: 0 };
    show();
    live.textContent = w.all;
    send([0, 0], "leave");
    root.querySelector("canvas.cells").focus({ preventScroll: true });
  }

  // Ctrl and the wheel, which is also what two fingers on a touchpad send; the wheel alone scrolls the page.
  function wheel(e, around) {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    memory.turned = (memory.turned ?? 0) - e.deltaY * (e.deltaMode ? 20 : 1);
    if (Math.abs(memory.turned) < WHEEL) return;
    zoom(Math.sign(memory.turned), around);
    memory.turned = 0;
  }

  map.hidden = !s.level || !s.shape;
  map.setAttribute("aria-roledescription", w.overview);
  if (!map.hidden) paintOverview(g, map.querySelector("canvas"), look);
  find(".pooled").textContent = map.hidden ? "" : s.pooled;
  const named = (name, text, act) => Object.assign(find(name), { title: text, ariaLabel: text, onclick: act });
  named(".nearer", w.nearer, () => zoom(1));
  named(".further", w.further, () => zoom(-1));
  named(".chosen", w.chosen, () => move(s.chosen, at().level)).textContent = w.chosen;
  named(".whole", w.whole, leave).textContent = w.whole;

  const token = (e) => {
    const box = map.getBoundingClientRect();
    return [(e.clientY - box.top) / box.height, (e.clientX - box.left) / box.width].map((part) => part * s.length);
  };
  map.onpointerdown = (e) => {
    if (e.button) return;
    map.setPointerCapture(e.pointerId);
    const to = token(e), now = at(), held = e.target === seen;
    memory.grip = { off: held ? now.middle.map((t, axis) => t - to[axis]) : [0, 0], from: now.middle };
    if (!held) move(to, now.level, true);
  };
  map.onpointermove = (e) => {
    if (memory.grip) move(token(e).map((t, axis) => t + memory.grip.off[axis]), at().level, true);
  };
  map.onpointerup = map.onpointercancel = () => {
    if (!memory.grip) return;
    const now = at(), same = now.middle.every((t, axis) => t === memory.grip.from[axis]);
    memory.grip = null;
    if (!same) move(now.middle, now.level);
  };
  map.ondblclick = leave;
  map.onwheel = (e) => wheel(e, token(e));
  map.onkeydown = (e) => {
    if (key(e) || e.altKey || e.ctrlKey || e.metaKey) return;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (!step && e.key !== "Escape") return;
    e.preventDefault();
    if (!step) return leave();
    const now = at(), far = Math.max(1, Math.floor(side(now.level) / QUARTER));
    move(now.middle.map((t, axis) => t + far * step[axis]), now.level);
  };
  show();
  return { key, leave, wheel, zoom };
}

const halves = ([top, bottom, left, right]) => [top + Math.floor((bottom - top) / 2), left + Math.floor((right - left) / 2)];

// The small picture of the whole: one point per cell, enlarged by the browser.
function paintOverview(g, canvas, look) {
  const [n, m] = g.sight.shape, image = new ImageData(m, n);
  g.whole.forEach((v, i) => { if (v !== 255) image.data.set([...look.ramp[Math.round((v * 255) / 254)], 255], 4 * i); });
  Object.assign(canvas, { width: m, height: n });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Two fingers on a map: apart is nearer, together further away; one finger scrolls the page.
function pinched(canvas, sight, tokenUnder) {
  let apart = 0;
  const width = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  canvas.ontouchstart = (e) => {
    apart = e.touches.length === 2 && sight ? width(e.touches) : 0;
    if (apart) e.preventDefault();
  };
  canvas.ontouchmove = (e) => {
    if (!apart || e.touches.length !== 2) return;
    e.preventDefault();
    const ratio = width(e.touches) / apart, [a, b] = e.touches;
    if (ratio < PINCH && ratio > 1 / PINCH) return;
    apart = width(e.touches);
    sight.zoom(ratio > 1 ? 1 : -1, tokenUnder({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }));
  };
  canvas.ontouchend = canvas.ontouchcancel = (e) => { if (e.touches.length < 2) apart = 0; };
}
