// Claims as cards with their verdicts. Cards are updated in place, so that focus and opened details outlive a verdict.
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className: className ?? "", textContent: text ?? "" });
const SEEN = new WeakMap();

// Places one after the other, each with the whole title for the pointer.
function placed(box, places) {
  places.forEach((each, i) => {
    const place = make("span", "place", each.says);
    if (each.title) place.title = each.title;
    box.append(...(i ? [" · ", place] : [place]));
  });
  return box;
}

function counts(parent, numbers) {
  const kinds = ["holds", "part", "not"];
  (numbers ?? []).forEach((n, i) => n && parent.append(make("i", `count ${kinds[i]}`, n)));
}

function top(place, data, send) {
  place.replaceChildren();
  const list = make("div", "tabs");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", data.words.tabs);
  for (const tab of data.tabs) {
    const button = make("button", "", tab.label);
    button.type = "button";
    button.title = tab.title;
    button.setAttribute("role", "tab");
    button.setAttribute("aria-selected", String(tab.current));
    button.tabIndex = tab.current ? 0 : -1;
    button.onclick = () => send("read", tab.key);
    button.onkeydown = (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key], all = [...list.children];
      if (step) { e.preventDefault(); all[(all.indexOf(button) + step + all.length) % all.length].focus(); }
    };
    list.append(button);
  }
  place.append(list);
  if (data.others.length) {
    const row = make("p", "beside", `${data.words.beside} `);
    for (const [name, title, on] of data.others) {
      const button = make("button", "", title);
      button.type = "button";
      button.setAttribute("aria-pressed", String(on));
      button.onclick = () => send("beside", name);
      row.append(button);
    }
    place.append(row);
  }
  place.append(make("h3", "", data.title));
  if (data.original) place.append(Object.assign(make("p", "original", data.original), { lang: data.lang }));
  const chosen = data.tabs.find((tab) => tab.current);
  if (chosen?.counts) { const row = make("p", "sum"); counts(row, chosen.counts); row.append(make("span", "", data.note)); place.append(row); }
  else if (data.note) place.append(make("p", "sum", data.note));
}

const badge = (mark, words) => make("span", `badge ${mark.kind}`, mark.kind ? mark.label : words.waiting);

function verdict(mark, words, alone) {
  const box = make("div", "verdict");
  if (!alone) {
    const line = make("div", "line");
    line.append(make("b", "", mark.model), badge(mark, words));
    box.append(line);
  }
  if (mark.says) box.append(make("p", "number", mark.says));
  if (mark.how) {
    const more = make("details"), how = make("summary", "", words.how);
    more.append(how, make("p", "", mark.how));
    box.append(more);
  }
  return box;
}

function card(data, words, send) {
  const box = make("article", "card");
  box.dataset.claim = data.id;
  const link = make("a", "claim", data.says);
  link.href = data.href;
  link.target = "_self";
  link.onclick = (e) => {
    if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
    e.preventDefault();
    send("claim", data.id);
  };
  const head = make("div", "head"), [only] = data.marks, alone = data.marks.length === 1;
  if (alone) head.append(badge(only, words));
  head.append(placed(make("p", "where"), data.where));
  box.append(head, link, ...data.marks.map((mark) => verdict(mark, words, alone)));
  return box;
}

function group(data, words, send) {
  const box = make("section");
  if (data.title || data.where.says) {
    const head = placed(make("header"), [data.where]);
    for (const [name, text] of [["title", data.title], ["term", data.term]]) {
      if (!text || (name === "term" && text === data.title)) continue;
      const line = make("p", name, text);
      line.lang = data.lang;
      head.append(line);
    }
    if (data.standard) head.append(make("p", "standard", data.standard));
    box.append(head);
  }
  box.append(...data.cards.map((each) => card(each, words, send)));
  return box;
}

export default function ({ data: [data], parentElement, setTriggerValue }) {
  const aside = rootOf(parentElement).querySelector("aside"), list = aside.querySelector(".list"), seen = SEEN.get(aside) ?? {};
  SEEN.set(aside, seen);
  const send = (name, value) => setTriggerValue(name, value);
  const active = parentElement.getRootNode().activeElement ?? document.activeElement;
  const held = active?.closest?.("[data-claim]")?.dataset.claim, tabbed = active?.getAttribute?.("role") === "tab", pressed = active?.hasAttribute?.("aria-pressed") && active.textContent;
  top(aside.querySelector(".top"), data, send);
  if (pressed) [...aside.querySelectorAll("[aria-pressed]")].find((button) => button.textContent === pressed)?.focus();
  if (tabbed) aside.querySelector('[aria-selected="true"]')?.focus();
  const shape = JSON.stringify([data.groups, data.words]);
  if (seen.shape !== shape) {
    const from = () => list.getBoundingClientRect().top, top = (box) => box.getBoundingClientRect().top - from();
    const read = [...list.querySelectorAll("[data-claim]")].find((box) => top(box) + box.offsetHeight > 0);
    const anchor = list.scrollTop > 0 && read ? [read.dataset.claim, top(read)] : null; // verdicts above it may grow
    const open = new Set([...list.querySelectorAll("details[open]")].map((d) => d.closest("[data-claim]").dataset.claim));
    list.replaceChildren(...data.groups.map((each) => group(each, data.words, send)));
    list.querySelectorAll("[data-claim]").forEach((box) => {
      if (open.has(box.dataset.claim)) box.querySelectorAll("details").forEach((d) => { d.open = true; });
    });
    if (held) list.querySelector(`[data-claim="${CSS.escape(held)}"] a`)?.focus();
    const again = anchor && list.querySelector(`[data-claim="${CSS.escape(anchor[0])}"]`);
    if (again) list.scrollTop += top(again) - anchor[1];
    seen.shape = shape;
  }
  const cards = data.groups.flatMap((each) => each.cards), current = cards.find((each) => each.current)?.id;
  list.querySelectorAll("[data-claim]").forEach((box) => {
    const on = box.dataset.claim === current;
    box.classList.toggle("current", on);
    const link = box.querySelector("a");
    if (on) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  });
  edges(list);
  const chosen = current && list.querySelector(`[data-claim="${CSS.escape(current)}"]`);
  if (chosen && current !== seen.current && list.scrollHeight > list.clientHeight) {
    const from = list.getBoundingClientRect(), at = chosen.getBoundingClientRect();
    if (at.top < from.top || at.bottom > from.bottom) list.scrollTop += at.top - from.top - 12;
  }
  seen.current = current;
}
