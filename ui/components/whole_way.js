// Opens and closes the passage: by its button, and by “?” wherever the reader is not writing. A key alone that acts can be
// switched off (WCAG 2.1.4): some speak to their computer, or hit keys they did not mean. The browser remembers it.
const KEPT = "stagelight.key";
const MEMORY = new WeakMap(), UNWRITTEN = /^(button|checkbox|color|file|image|radio|range|reset|submit)$/;
const writes = (el) => el?.isContentEditable || /^(TEXTAREA|SELECT)$/.test(el?.tagName ?? "") || (el?.tagName === "INPUT" && !UNWRITTEN.test(el.type));
const TOUCHED = matchMedia("(any-hover: none) and (any-pointer: coarse)"); // where the switch is not shown the key does nothing
let off = kept(); // whether the reader has switched it off
let held = false; // the button that went away had the focus: the one that stands for it now takes it

function kept() {
  try { return localStorage.getItem(KEPT) === "off"; } catch { return false; }
}

function keep(now) {
  off = now;
  try { localStorage.setItem(KEPT, off ? "off" : "on"); } catch { /* A browser that keeps nothing: until the page is loaded anew. */ }
}

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), button = root.querySelector("button"), begun = MEMORY.has(root);
  const memory = MEMORY.get(root) ?? {};
  MEMORY.set(root, memory);
  memory.turn = () => {
    held = root.getRootNode().activeElement === button;
    setTriggerValue("turn", data.open ? "close" : "open");
  };
  button.querySelector("span").textContent = data.label;
  const [box, said] = root.querySelector("label").children, tell = () => {
    button.title = off ? data.title : data.keyed;
    button.querySelector("kbd").hidden = off;
    box.checked = !off;
  };
  root.querySelector("label").hidden = !data.open;
  said.textContent = data.switch;
  box.onchange = () => { keep(!box.checked); tell(); };
  tell();
  button.onclick = () => memory.turn();
  memory.key ??= (e) => {
    if (off || TOUCHED.matches || e.key !== "?" || e.repeat || e.altKey || e.ctrlKey || e.metaKey || writes(e.composedPath()[0])) return;
    e.preventDefault();
    memory.turn();
  };
  document.addEventListener("keydown", memory.key);
  if (held && !begun) {
    held = false;
    button.focus({ preventScroll: true });
  }
  return () => document.removeEventListener("keydown", memory.key);
}
