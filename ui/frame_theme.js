// In a frame of the page: take the page's theme, and draw anew when the reader changes it. What frames cannot see (a page
// of another origin) leaves the theme that the frame was made for.
const theme = () => {
  const app = window.parent.document.querySelector(".stApp");
  const [red, green, blue] = window.parent.getComputedStyle(app).backgroundColor.match(/[\d.]+/g).map(Number);
  return { app, dark: 0.3 * red + 0.59 * green + 0.11 * blue < 128 };
};
try {
  const { app, dark } = theme();
  document.documentElement.classList.toggle("dark", dark);
  const watch = new MutationObserver(() => theme().dark === dark || location.reload());
  watch.observe(app, { attributes: true, attributeFilter: ["class", "style"] });
  addEventListener("pagehide", () => watch.disconnect());
} catch {
  // The frame stands alone.
}
