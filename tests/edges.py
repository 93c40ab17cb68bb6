"""Whether a page hides anything beyond an edge: cut off, or in a list that does not say that it goes on."""

# What is cut, and each list that goes on beyond its edges without fading there, a shadow or an arrow, or that the
# keyboard does not reach. The page's own lines go over its sides: they are cut, and hold nothing.
UNTOLD = """() => {
    const found = [], hidden = ["hidden", "clip"], moved = ["auto", "scroll"];
    // The tabIndex of a link to nowhere and of a button that is off is 0, too.
    const stop = (e) => e.tabIndex >= 0 && !e.matches("a:not([href], [tabindex]), :disabled");
    const reached = (box) => box.tabIndex >= 0 || [...box.querySelectorAll("*")].some((e) =>
        stop(e) || (e.shadowRoot && reached(e.shadowRoot)));
    const shaded = (box) => [...box.parentNode.children].some((e) =>
        e.matches(".edge") && e.checkVisibility() && getComputedStyle(e).backgroundImage.includes("gradient"));
    // Of a mask each side that fades has its length, of a figure's shadows each is a gradient.
    const faded = (box) => {
        const { maskImage, backgroundImage } = getComputedStyle(box), wide = box.matches("[class*=st-key-wide-]");
        const sides = wide ? backgroundImage.matchAll(/gradient/g) : maskImage.matchAll(/[1-9][\\d.]*px/g);
        return box.dataset.more && [...sides].length === box.dataset.more.split(" ").length;
    };
    const told = (box) => faded(box) || box.matches("[role=tablist], :has([role=tablist])") || shaded(box);
    const within = (root) => {
        for (const box of root.querySelectorAll("*")) {
            if (box.shadowRoot) within(box.shadowRoot);
            if (box instanceof SVGElement || box.matches("input, textarea, .stMainBlockContainer")) continue;
            const seen = box.checkVisibility({ opacityProperty: true, visibilityProperty: true });
            if (box.clientWidth <= 2 || !seen) continue;
            const { overflowX, overflowY } = getComputedStyle(box), wide = box.scrollWidth > box.clientWidth + 1;
            const page = box.querySelector(".stMain"), high = box.scrollHeight > box.clientHeight + 1 && !page;
            const name = `${box.tagName} ${box.className} ${box.textContent.trim().slice(0, 30)}`;
            if (wide && hidden.includes(overflowX) && !box.closest("[title]")) found.push(`cut: ${name}`);
            if (high && hidden.includes(overflowY) && !box.closest("[title]")) found.push(`cut below: ${name}`);
            if (!(wide && moved.includes(overflowX)) && !(high && moved.includes(overflowY))) continue;
            if (!told(box)) found.push(`no sign that it goes on: ${name}`);
            if (!reached(box)) found.push(`not reached by keys: ${name}`);
        }
    };
    within(document);
    return found;
}"""
