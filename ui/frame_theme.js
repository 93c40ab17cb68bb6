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
  for (let around = window.frameElement; around; around = around.parentElement) {
    const colour = window.parent.getComputedStyle(around).backgroundColor; // of the card that the frame stands in
    if (colour === "transparent" || /, 0\)$/.test(colour)) continue;
    document.documentElement.style.setProperty("--background", colour);
    break;
  }
  const watch = new MutationObserver(() => theme().dark === dark || location.reload());
  watch.observe(app, { attributes: true, attributeFilter: ["class", "style"] });
  addEventListener("pagehide", () => watch.disconnect());
} catch {
  // The frame stands alone.
}
