const FEW = 5, OPENED = new WeakMap();
// How the text may go on: a click adds a token. Back takes the last one off, Clear all of them.
export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = rootOf(parentElement), chips = root.querySelector(".chips"), taken = root.querySelector(".taken");
  const back = root.querySelector(".back"), clear = root.querySelector(".clear"), focused = root.getRootNode().activeElement;
  while (chips.children.length > data.chips.length) chips.lastChild.remove();
  while (chips.children.length < data.chips.length) {
    const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip" });
    chip.append(document.createElement("b"), " ", document.createElement("small"));
    chips.append(chip);
  }
  data.chips.forEach(([id, label, percent, probability], i) => {
    const chip = chips.children[i];
    chip.firstChild.textContent = label;
    chip.lastChild.textContent = percent;
    chip.style.setProperty("--share", `${(100 * probability).toFixed(1)}%`);
    chip.title = data.full ?? fill(data.words.add, { id });
    chip.setAttribute("aria-label", `${fill(data.words.go, { label, percent })}${data.full ? `. ${data.full}` : ""}`);
    chip.setAttribute("aria-disabled", String(data.full !== null));
    chip.onclick = () => { if (data.full === null) setTriggerValue("add", [data.tail, id]); };
  });
  const more = root.querySelector(".more"), draw = root.querySelector(".draw");
  const show = () => {
    const all = OPENED.get(root) ?? false;
    [...chips.children].forEach((chip, i) => { chip.hidden = !all && i >= FEW; });
    more.textContent = all ? data.words.fewer : data.words.more;
    more.setAttribute("aria-expanded", String(all));
  };
  more.hidden = data.chips.length <= FEW;
  edges(chips);
  more.onclick = () => { OPENED.set(root, !OPENED.get(root)); show(); };
  show();
  draw.hidden = !data.chips.length || data.full !== null;
  draw.textContent = data.words.draw;
  draw.title = data.words.how;
  draw.onclick = () => setTriggerValue("draw", data.tail);
  const lead = root.querySelector(".lead");
  lead.textContent = data.chips.length ? data.words.lead : data.full ?? "";
  lead.hidden = !lead.textContent;
  root.querySelector(".count").textContent = data.count;
  taken.classList.toggle("none", !data.tail);

  let left = data.tail; // quick presses count on before the answers arrive
  const keep = (count) => { left = Math.max(0, count); setTriggerValue("keep", left); };
  back.onclick = () => keep(left - 1);
  clear.onclick = () => keep(0);
  back.lastChild.textContent = data.words.back;
  clear.textContent = data.words.clear;
  back.setAttribute("aria-label", data.words.one);
  clear.setAttribute("aria-label", data.words.all);
  root.querySelector(".row").setAttribute("aria-label", data.words.name);
  if (!data.tail && (focused === back || focused === clear)) chips.firstChild?.focus({ preventScroll: true });
}
