// Tokens as tiles with what their labels hide: id and bytes. A click chooses the token.
const RESIZED = new WeakMap();

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), box = root.querySelector(".chips"), legend = root.querySelector(".legend");
  const tints = palette(root, "--st-chart-categorical-colors");
  const tint = (el, i) => el.style.setProperty("--tint", tints[i % tints.length]);
  box.setAttribute("aria-label", data.alt);
  box.querySelectorAll(".row").forEach((words) => words.remove());
  while (box.children.length > data.chips.length) box.lastChild.remove();
  while (box.children.length < data.chips.length) {
    const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip" });
    chip.append(document.createElement("span"), document.createElement("small"), document.createElement("small"));
    box.append(chip);
  }
  const parts = new Map(data.parts.map(([i, ...parted]) => [i, parted]));
  box.classList.toggle("parted", parts.size > 0);
  data.chips.forEach(([label, note, detail, colour], i) => {
    const chip = box.children[i], [name, id, bytes] = chip.children, [short, shares] = parts.get(i) ?? [label, []];
    name.textContent = short;
    chip.querySelector(".over")?.remove();
    if (shares.length) {
      chip.setAttribute("aria-label", [label, note, detail].filter(Boolean).join(" "));
      chip.append(bracket(shares));
    } else chip.removeAttribute("aria-label");
    id.textContent = note;
    bytes.textContent = detail;
    tint(chip, colour);
    chip.setAttribute("aria-pressed", String(i === data.focus));
    chip.onclick = () => setTriggerValue("token", i);
  });
  const chips = [...box.children];
  data.rows.forEach(([start, words]) => {
    box.insertBefore(Object.assign(document.createElement("p"), { className: "row", textContent: words }), chips[start] ?? null);
  });
  legend.replaceChildren(...data.legend.map((words, i) => {
    const row = document.createElement("li"), mark = document.createElement("i");
    tint(mark, i);
    row.append(mark, words);
    return row;
  }));
  legend.hidden = !data.legend.length;
  repeatedIn(box);
  const wide = RESIZED.get(root) ?? new ResizeObserver(() => repeatedIn(box));
  RESIZED.set(root, wide);
  wide.observe(box);
  return () => wide.disconnect();
}
