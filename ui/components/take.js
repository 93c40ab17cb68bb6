// Makes a picture of a figure: plotly.js draws it in a hidden frame, out of which it comes as SVG; title and caption are set
// above it, and a canvas makes a PNG of that. The script is fetched when the first picture is asked for, and not kept.
const SVG = "http://www.w3.org/2000/svg", FACE = "system-ui, sans-serif";
const WIDTH = 900, HEIGHT = 460, EDGE = 24, TITLE = 20, SMALL = 14, SHARP = 2, LONGEST = 16000;
const MEMORY = new WeakMap();

// A frame of its own: neither its script nor its styles meet the page's.
function opened() {
  const frame = Object.assign(document.createElement("iframe"), { tabIndex: -1, title: "" });
  frame.setAttribute("aria-hidden", "true");
  frame.style.cssText = "position: fixed; left: 0; top: 0; width: 1px; height: 1px; border: 0; opacity: 0; pointer-events: none";
  document.body.append(frame);
  return frame;
}

const loaded = (frame, name) => new Promise((done, failed) => {
  const script = frame.contentDocument.createElement("script");
  script.src = new URL(name, document.baseURI).href;
  script.onload = () => (frame.contentWindow.Plotly ? done(frame.contentWindow.Plotly) : failed(new Error("absent")));
  script.onerror = () => failed(new Error("absent"));
  frame.contentDocument.head.append(script);
});

const pen = (font) => Object.assign(document.createElement("canvas").getContext("2d"), { font });

// Text cut into lines; where there are no spaces between words it is cut between characters.
function lines(text, font, width) {
  const ruler = pen(font), found = [];
  let line = "";
  for (const part of text.match(/\s+|[\u2e80-\uffef]|[^\s\u2e80-\uffef]+/g) ?? []) {
    if (line && ruler.measureText(line + part).width > width) {
      found.push(line.trim());
      line = "";
    }
    line += part;
  }
  return [...found, line.trim()].filter(Boolean);
}

const element = (name, attributes, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
};

// The figure with its title and caption above it, in the colours that it has itself.
function composed(drawn, picture, layout, ink) {
  const figure = new DOMParser().parseFromString(drawn, "image/svg+xml").documentElement;
  const width = Number(figure.getAttribute("width")), inner = width - 2 * EDGE, whole = element("svg", {});
  let y = EDGE;
  const rows = [];
  for (const [text, size, weight] of [[picture.title, TITLE, 650], [picture.caption, SMALL, 400]]) {
    for (const line of lines(text, `${weight} ${size}px ${FACE}`, inner)) {
      y += size;
      rows.push(element("text", { x: EDGE, y, fill: ink, "font-family": FACE, "font-size": size, "font-weight": weight }, line));
      y += Math.round(0.4 * size);
    }
    y += 4;
  }
  const height = Math.ceil(y + Number(figure.getAttribute("height")) + EDGE / 2);
  for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) whole.setAttribute(key, value);
  figure.setAttribute("y", y);
  whole.append(element("rect", { width: "100%", height: "100%", fill: layout.paper_bgcolor }), ...rows, figure);
  return { width, height, text: new XMLSerializer().serializeToString(whole) };
}

async function svg(picture, data, frame) {
  const library = await loaded(frame, data.script), figure = JSON.parse(picture.figure);
  const own = figure.layout, base = own.template?.layout ?? {};
  const layout = { ...own, paper_bgcolor: own.paper_bgcolor ?? base.paper_bgcolor ?? "white" };
  const size = { width: own.width ?? WIDTH, height: own.height ?? HEIGHT };
  const drawn = await library.toImage({ data: figure.data, layout }, { format: "svg", imageDataOnly: true, ...size });
  return composed(drawn, picture, layout, base.font?.color ?? own.font?.color ?? "black");
}

async function png({ width, height, text }) {
  const image = new Image(), from = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    image.src = from;
    await image.decode();
    if (SHARP * Math.max(width, height) > LONGEST) throw new Error("large");
    const canvas = Object.assign(document.createElement("canvas"), { width: SHARP * width, height: SHARP * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const made = await new Promise((done) => canvas.toBlob(done, "image/png"));
    if (!made) throw new Error("large");
    return made;
  } finally {
    URL.revokeObjectURL(from);
  }
}

async function made(picture, data) {
  const frame = opened();
  try {
    const drawn = await svg(picture, data, frame);
    return picture.asked.kind === "png" ? await png(drawn) : new Blob([drawn.text], { type: "image/svg+xml" });
  } finally {
    frame.remove();
  }
}

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), row = root.querySelector(".row"), link = root.querySelector("a");
  const told = root.querySelector("[role=status]"), memory = MEMORY.get(root) ?? {};
  MEMORY.set(root, memory);
  const tell = (text) => { told.textContent = text; link.hidden = true; };
  row.setAttribute("aria-label", data.words.name);
  while (row.children.length < data.kinds.length) row.append(Object.assign(document.createElement("button"), { type: "button" }));
  data.kinds.forEach((kind, i) => {
    row.children[i].textContent = kind.toUpperCase();
    row.children[i].onclick = () => {
      memory.waits = Date.now();
      tell(data.words.making);
      setTriggerValue("ask", [kind, bright(rgb(cssVar(root, "--st-background-color"))) < 0.18, memory.waits]);
    };
  });
  const picture = data.picture;
  if (!picture && data.last === memory.waits) { memory.waits = null; tell(""); } // the figure has become another one
  if (!picture || picture.asked.number !== memory.waits) return;
  memory.waits = null;
  setTriggerValue("had", picture.asked.number);
  const offer = (file) => {
    if (memory.file) URL.revokeObjectURL(memory.file);
    memory.file = URL.createObjectURL(file);
    tell(data.words.made);
    Object.assign(link, { href: memory.file, download: `${data.file}.${picture.asked.kind}`, hidden: false });
    link.textContent = link.download;
    link.click();
  };
  const fail = (error) => tell(data.words[error.message] ?? fill(data.words.failed, { error: error.message || error }));
  made(picture, data).then(offer, fail);
}
