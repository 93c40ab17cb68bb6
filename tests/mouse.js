// Every control of the page, shadow roots included, and what a click on its middle would hit. `tests/mouse.py` runs it.
(() => {
  const OFFERED = `button, a[href], input:not([type=hidden]), select, textarea, summary, [tabindex="0"]:not(main),
    [role=option], [role=tab], [role=radio], [role=slider], [role=combobox]`;
  const all = (root) => [...root.querySelectorAll("*")].flatMap((e) => (e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e]));
  const parent = (e) => e.assignedSlot ?? e.parentElement ?? e.getRootNode().host ?? null;
  const box = (e) => e.getBoundingClientRect();

  // The box of an element; of words that go on in the next line, the larger piece.
  const largest = (e) => [...e.getClientRects()].reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a), new DOMRect());

  // An element and all around it.
  function around(e) {
    const found = [];
    for (let at = e; at; at = parent(at)) found.push(at);
    return found;
  }

  // A control that is only for keys and for reading aloud (a slider's number, a switch's box) stands for what is drawn.
  function drawn(e) {
    if (e.closest("label")) return e.closest("label");
    const hidden = around(e).find((at) => box(at).width <= 1 && getComputedStyle(at).overflow !== "visible");
    return hidden ? parent(hidden) : e;
  }

  function inSight(e, x, y) {
    const within = ({ left, right, top, bottom }) => x > left + 1 && x < right - 1 && y > top + 1 && y < bottom - 1;
    if (!within({ left: 0, right: innerWidth, top: 0, bottom: innerHeight })) return false;
    if (getComputedStyle(e).visibility === "hidden") return false;
    return around(e).slice(1).every((at) => getComputedStyle(at).overflow === "visible" || within(box(at)));
  }

  function lying(x, y) {
    let at = document.elementFromPoint(x, y), inner;
    while (at?.shadowRoot && (inner = at.shadowRoot.elementFromPoint(x, y)) && inner !== at) at = inner;
    return at;
  }

  const mouse = {
    controls: [],
    reached: [],

    found() {
      mouse.controls = [...new Set(all(document).filter((e) => e.matches(OFFERED)).map(drawn))];
      return mouse.controls.flatMap((e, id) => {
        const { left, top, width, height } = largest(e), x = left + width / 2, y = top + height / 2;
        if (!width || !height || !inSight(e, x, y)) return [];
        const at = lying(x, y), hit = around(at).includes(e);
        const name = (e.getAttribute("aria-label") || e.innerText || e.tagName).trim().slice(0, 40);
        return [{ id, name, x, y, hit, over: hit ? "" : String(at?.dataset?.testid || at?.className || at?.tagName) }];
      });
    },

    // Wherever the page is scrolled to: names of what is in sight, and what lies under something else.
    covered(scroller, step) {
      const seen = new Set(), under = [];
      for (let top = 0; top < scroller.scrollHeight; top += step) {
        scroller.scrollTop = top;
        for (const { name, x, y, hit, over } of mouse.found()) {
          seen.add(name);
          if (!hit) under.push(`scrolled by ${top}: ${name} at (${Math.round(x)}, ${Math.round(y)}) lies under ${over}`);
        }
      }
      scroller.scrollTop = 0;
      return [[...seen], under];
    },

    // From now on clicks are written down, and do nothing.
    caught() {
      for (const kind of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"]) {
        addEventListener(kind, (event) => {
          event.preventDefault();
          event.stopImmediatePropagation();
          if (kind === "click") mouse.reached = event.composedPath().map((e) => mouse.controls.indexOf(e));
        }, { capture: true });
      }
    },
  };
  window.mouse ??= mouse;
})();
