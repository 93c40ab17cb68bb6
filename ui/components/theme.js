// Changes the theme through Streamlit's own menu, which remembers it and redraws everything at once. Where the menu has no
// such entry the theme is written where Streamlit keeps it, and the page is loaded anew: its link holds all else.
const KEPT = () => `stActiveTheme-${location.pathname}-v2`, PATIENCE = 600, STEP = 20;
const PRINTED = new WeakMap();
const PAPER = 680, REST = 500; // pixels between the margins of a page, and below its text, tokens and sentence
const isDark = (root) => bright(rgb(cssVar(root, "--st-background-color"))) < 0.18;
const part = (name) => document.querySelector(`[data-testid="${name}"]`);

// Dark, or light, or as the system where that is the same.
const wanted = (dark) => (matchMedia("(prefers-color-scheme: dark)").matches === dark ? "System" : dark ? "Dark" : "Light");

async function found(name) {
  for (let waited = 0; waited < PATIENCE; waited += STEP) {
    const there = part(name);
    if (there) return there;
    await new Promise((done) => setTimeout(done, STEP));
  }
  return null;
}

async function chosenInMenu(theme) {
  const menu = part("stMainMenuButton");
  if (!menu) return false;
  document.documentElement.classList.add("choosing-theme");
  if (menu.getAttribute("aria-expanded") !== "true") menu.click();
  const entry = await found(`stMainMenuItem-theme-${theme}`);
  entry?.click();
  if (part("stMainMenuPopover")) menu.click();
  for (let waited = 0; part("stMainMenuPopover") && waited < PATIENCE; waited += STEP) await new Promise((done) => setTimeout(done, STEP));
  document.documentElement.classList.remove("choosing-theme");
  return entry !== null;
}

function written(theme) {
  try {
    localStorage.setItem(KEPT(), JSON.stringify(theme));
    location.reload();
  } catch {
    // A browser that keeps nothing keeps its theme.
  }
}

// For paper (ui/page.css says how): whether figures were drawn for the dark theme, and by how much each has to be smaller.
function forPaper(root) {
  if (PRINTED.has(root)) return PRINTED.get(root); // with data that came later: Streamlit ends it only once
  const mark = (dark) => document.documentElement.classList.toggle("printed-dark", dark);
  const before = () => {
    mark(isDark(root));
    for (const figure of document.querySelectorAll('[class*="-figure"], .stApp iframe')) {
      const fits = Math.min(1, PAPER / figure.offsetWidth), low = Math.min(fits, REST / figure.offsetHeight);
      figure.style.setProperty("--on-paper", (low > fits / 2 ? low : fits).toFixed(4)); // else a page of its own
    }
  };
  const after = () => mark(false);
  addEventListener("beforeprint", before);
  addEventListener("afterprint", after);
  PRINTED.set(root, () => { removeEventListener("beforeprint", before); removeEventListener("afterprint", after); after(); });
  return PRINTED.get(root);
}

export default function ({ data: [data], parentElement }) {
  const root = rootOf(parentElement), button = root.querySelector("button");
  button.title = data.label;
  button.setAttribute("aria-label", data.label);
  button.onclick = async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    const theme = wanted(!isDark(root));
    if (!(await chosenInMenu(theme))) written(theme);
    button.removeAttribute("aria-busy");
    button.focus({ preventScroll: true });
  };
  return forPaper(root);
}
