// The architecture as a list of links, in the order in which data meets it; what repeats stands in a frame.
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className: className ?? "", textContent: text ?? "" });
const SVG = "http://www.w3.org/2000/svg";

// Frame and separators depend only on the architecture: built once, so that keyboard focus survives every update.
function build(nav, data) {
  nav.replaceChildren();
  let block = null;
  data.boxes.forEach((box, i) => {
    const link = make("a");
    link.dataset.stage = box.stage;
    const words = make("span");
    words.append(make("em"), make("small"));
    link.append(make("b"), words, make("u"));
    if (box.in_block && !block) {
      block = make("div", "block");
      const times = make("div", "times");
      times.append(make("span"), make("b"));
      block.append(times);
      nav.append(block);
    }
    if (!box.in_block) block = null;
    const sign = (name) => make("div", name === "⊕" ? "plus" : "norm", name);
    (block ?? nav).append(...data.before[i].map(sign), link, ...data.after[i].map(sign));
  });
  nav.append(make("p", "key"));
  nav.querySelectorAll(".plus").forEach((plus) => plus.setAttribute("aria-hidden", "true"));
}

// What the three counts of a stage are: their sentence, with a colour in the place of each number, in one line with
// its words.
function explain(key, sentence, counted) {
  const parts = counted ? sentence.split(/(\{\w+\}[^·]*)/) : [];
  key.replaceChildren(...parts.map((part, i) => (i % 2 ? coloured(...part.slice(1).split("}")) : part)));
}

function coloured(verdict, words) {
  const whole = make("span");
  whole.append(make("i", verdict), words);
  return whole;
}

function spark(link, values) {
  const old = link.querySelector("svg");
  if (!values?.length) return old?.remove();
  const svg = old ?? document.createElementNS(SVG, "svg"), low = Math.min(...values), span = Math.max(...values) - low || 1;
  if (!old) {
    svg.setAttribute("viewBox", "0 0 84 30");
    svg.setAttribute("aria-hidden", "true");
    svg.append(document.createElementNS(SVG, "polyline"));
    link.insertBefore(svg, link.querySelector("u"));
  }
  const points = values.map((v, i) => `${((i * 84) / Math.max(values.length - 1, 1)).toFixed(1)},${(28 - ((v - low) / span) * 26).toFixed(1)}`);
  svg.firstChild.setAttribute("points", points.join(" "));
}

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const nav = rootOf(parentElement).querySelector("nav"), shape = JSON.stringify([data.boxes.map((b) => [b.stage, b.in_block]), data.before, data.after]);
  nav.setAttribute("aria-label", data.words.name);
  if (nav.dataset.shape !== shape) { build(nav, data); nav.dataset.shape = shape; }
  const times = nav.querySelector(".times");
  if (times) { times.firstChild.textContent = data.times; times.lastChild.textContent = data.layer; }
  data.boxes.forEach((box) => {
    const link = nav.querySelector(`a[data-stage="${box.stage}"]`);
    if (box.href === null) link.removeAttribute("href"); else link.href = box.href;
    link.target = "_self";
    link.classList.toggle("absent", box.href === null);
    link.querySelector("b").textContent = box.number;
    link.querySelector("em").textContent = box.title;
    link.querySelector("small").textContent = box.line;
    spark(link, box.spark);
    const marks = link.querySelector("u");
    marks.replaceChildren(...["holds", "part", "not"].flatMap((kind, i) => (box.marks[i] ? [make("i", kind, box.marks[i])] : [])));
    const [holds, part, not] = box.marks;
    marks.title = box.marks.length ? fill(data.words.marks, { holds, part, not }) : "";
    if (marks.children.length) { marks.setAttribute("role", "img"); marks.setAttribute("aria-label", marks.title); } else marks.removeAttribute("role");
    if (box.stage === data.current) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    link.onclick = (e) => {
      if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
      e.preventDefault();
      if (box.panel !== null) setTriggerValue("panel", box.panel);
    };
  });
  edges(nav);
  explain(nav.querySelector(".key"), data.words.key, data.boxes.some((box) => box.marks.some(Boolean)));
  const current = nav.querySelector('[aria-current="page"]');
  if (current && nav.scrollWidth > nav.clientWidth) nav.scrollLeft = current.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;
}
