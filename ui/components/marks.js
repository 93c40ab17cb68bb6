// The marks of a figure that plotly draws in the same card: a click chooses one, arrow keys walk over them. All is read off
// the drawn figure when it is needed, so that nothing is sent twice.
const MEMORY = new WeakMap(), HEARD = new WeakMap();

// Hover texts are plotly's pseudo-HTML: breaks, bold, and a few characters by their codes.
const CODES = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&#37;": "%" };
const plain = (text) => String(text).replace(/<extra>.*?<\/extra>/g, "").replace(/<br>/g, " · ").replace(/<\/?b>/g, "").replace(/&(lt|gt|amp|#37);/g, (code) => CODES[code]);

// A number as a template wants it: ",.5~g" is five digits that count, with thousands apart.
function written(value, how) {
  if (typeof value !== "number" || !how) return String(value);
  const digits = /\.(\d+)/.exec(how)?.[1];
  const round = digits ? Number(value.toPrecision(Number(digits))) : value;
  const far = round !== 0 && (Math.abs(round) < 1e-4 || Math.abs(round) >= 1e15);
  return (far ? String(round) : round.toLocaleString("en-GB", { maximumFractionDigits: 20, useGrouping: how.includes(",") })).replace("-", "−");
}

function words(trace, i) {
  const held = (field) => (Array.isArray(trace[field]) || ArrayBuffer.isView(trace[field]) ? trace[field][i] : trace[field]);
  const fields = { "fullData.name": () => trace.name };
  return plain((trace.hovertemplate || "%{hovertext}").replace(/%\{([\w.]+)(?::([^}]*))?\}/g, (_place, name, how) => written((fields[name] ?? (() => held(name)))(), how) ?? ""));
}

// Every mark that says something, with its place in pixels of the figure. along: the direction in which the marks stand.
function marksOf(plot) {
  const found = [], parts = [];
  for (const points of plot?.calcdata ?? []) {
    const trace = points[0]?.trace;
    if (!trace || trace.visible !== true || trace.hoverinfo === "skip") continue;
    const axis = (id) => plot._fullLayout[id.replace(/^(.)/, "$1axis")];
    const xs = axis(trace.xaxis ?? "x"), ys = axis(trace.yaxis ?? "y"), flat = trace.orientation === "h" && trace.type === "bar";
    points.forEach((point, i) => {
      const x = xs._offset + xs.c2p(point.x), y = ys._offset + ys.c2p(point.y), says = words(trace, i);
      if (!Number.isFinite(x) || !Number.isFinite(y) || !says.trim()) return;
      const id = `${xs._id}${ys._id}`;
      if (!parts.includes(id)) parts.push(id);
      found.push({ trace: trace.index, point: i, x, y, says, at: parts.indexOf(id), along: flat ? y : x, beside: flat ? x : y, flat, line: trace.type === "scatter" && trace.mode.includes("lines") });
    });
  }
  return found.sort((a, b) => a.at - b.at || a.along - b.along || a.trace - b.trace);
}

// The mark to which a key leads from another one; itself where it leads nowhere.
function next(all, here, key) {
  const own = all.filter((mark) => mark.at === here.at && (!here.line || mark.trace === here.trace));
  if (key === "Home") return own[0];
  if (key === "End") return own[own.length - 1];
  const forth = key === "ArrowRight" || key === "ArrowDown", lengthwise = here.flat === (key === "ArrowUp" || key === "ArrowDown");
  if (!lengthwise) {
    const across = others(all, here).sort((a, b) => a.beside - b.beside), at = across.indexOf(here);
    if (across.length > 1) return across[Math.min(across.length - 1, Math.max(0, at + (forth ? 1 : -1)))];
  }
  const ahead = own.filter((mark) => (forth ? mark.along > here.along + 0.5 : mark.along < here.along - 0.5));
  if (ahead.length) {
    const edge = Math[forth ? "min" : "max"](...ahead.map((mark) => mark.along));
    const there = ahead.filter((mark) => Math.abs(mark.along - edge) <= 0.5), far = (mark) => Math.abs(mark.beside - here.beside);
    return there.find((mark) => mark.trace === here.trace) ?? there.sort((a, b) => far(a) - far(b))[0];
  }
  const beyond = here.line ? [] : all.filter((mark) => mark.at === here.at + (forth ? 1 : -1));
  return (forth ? beyond[0] : beyond[beyond.length - 1]) ?? here;
}

// The mark and those at the same place along the axis: one of each other trace, the nearest.
function others(all, here) {
  const near = new Map([[here.trace, here]]);
  for (const mark of all) {
    const gap = Math.abs(mark.along - here.along), best = near.get(mark.trace);
    if (mark.trace === here.trace || gap > (here.line && mark.line ? 12 : 1)) continue;
    if (!best || gap < Math.abs(best.along - here.along)) near.set(mark.trace, mark);
  }
  return [...near.values()];
}

// A figure wider than its card: the keyboard reaches and moves it, too. name: null where it is not wider.
function movable(wide, name) {
  const says = { tabindex: "0", role: "group", "aria-label": name };
  for (const [key, value] of Object.entries(says)) if (name) wide.setAttribute(key, value); else wide.removeAttribute(key);
}

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), walk = root.querySelector(".walk"), told = root.querySelector(".told"), ring = root.querySelector(".ring");
  const memory = MEMORY.get(root) ?? { here: null };
  MEMORY.set(root, memory);
  const card = () => document.querySelector(`.st-key-${data.figure.replace(/[^\w-]/g, "-")}`);
  const plot = () => card()?.querySelector(".js-plotly-plot");
  const choose = (trace, point) => { if (data.chooses) setTriggerValue("mark", { trace, point, of: data.of }); };
  walk.setAttribute("aria-label", data.name);
  const wide = root.getRootNode().host?.closest("[class*=st-key-wide-]");
  if (wide) edges(wide, (far) => movable(wide, far && data.moves));

  function mark(to) {
    memory.here = { trace: to.trace, point: to.point };
    told.textContent = to.says;
    const from = plot().getBoundingClientRect(), base = root.getBoundingClientRect();
    ring.style.left = `${from.left - base.left + to.x}px`;
    ring.style.top = `${from.top - base.top + to.y}px`;
    ring.hidden = false;
  }

  const first = data.first && { trace: data.first[0], point: data.first[1] };
  const at = (all, place) => all.find((each) => each.trace === place?.trace && each.point === place.point);
  const where = (all) => at(all, memory.here) ?? at(all, first) ?? all[0];
  walk.onfocus = () => { const all = marksOf(plot()); if (all.length) mark(where(all)); };
  walk.onkeydown = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const keys = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter", " "];
    if (!keys.includes(e.key)) return;
    e.preventDefault();
    const all = marksOf(plot()), here = where(all);
    if (!here) return;
    if (e.key === "Enter" || e.key === " ") choose(here.trace, here.point);
    else mark(next(all, here, e.key));
  };

  // Plotly may draw into another element once the figure has come anew: it is asked again whenever the pointer is there.
  const aim = (cursor) => plot()?.querySelectorAll(".nsewdrag").forEach((pad) => { pad.style.cursor = cursor; });
  memory.heard = { plotly_click: ({ points: [point] }) => choose(point.curveNumber, point.pointNumber), plotly_hover: () => aim(data.chooses ? "pointer" : ""), plotly_unhover: () => aim("") };
  const attend = ({ target }) => {
    const drawn = card()?.contains(target) && plot();
    if (!drawn?.on || HEARD.get(drawn) === memory) return;
    HEARD.set(drawn, memory); // an earlier one, of a component that is gone, hears no more
    for (const event of Object.keys(memory.heard)) drawn.on(event, (what) => { if (HEARD.get(drawn) === memory) memory.heard[event](what); });
  };
  memory.stop?.abort(); // of the last data: Streamlit calls what is returned below only in the end
  memory.stop = new AbortController();
  for (const event of ["pointerover", "pointerdown"]) {
    document.addEventListener(event, (e) => { if (root.isConnected) attend(e); else memory.stop.abort(); }, { capture: true, signal: memory.stop.signal });
  }
  return () => memory.stop.abort();
}
