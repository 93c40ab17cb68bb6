// Opens and closes the passage: by its button, and by “?” wherever the reader is not writing.
const MEMORY = new WeakMap(), UNWRITTEN = /^(button|checkbox|color|file|image|radio|range|reset|submit)$/;
const writes = (el) => el?.isContentEditable || /^(TEXTAREA|SELECT)$/.test(el?.tagName ?? "") || (el?.tagName === "INPUT" && !UNWRITTEN.test(el.type));
let held = false; // the button that went away had the focus: the one that stands for it now takes it

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), button = root.querySelector("button"), begun = MEMORY.has(root);
  const memory = MEMORY.get(root) ?? {};
  MEMORY.set(root, memory);
  memory.turn = () => {
    held = root.getRootNode().activeElement === button;
    setTriggerValue("turn", data.open ? "close" : "open");
  };
  button.querySelector("span").textContent = data.label;
  button.title = data.title;
  button.onclick = () => memory.turn();
  memory.key ??= (e) => {
    if (e.key !== "?" || e.repeat || e.altKey || e.ctrlKey || e.metaKey || writes(e.composedPath()[0])) return;
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
