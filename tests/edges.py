"""Whether a page hides anything beyond an edge: cut off, or in a list that does not say that it goes on."""

# What is cut, and each list that goes on beyond its edges without fading there, a shadow or an arrow, or that the
# keyboard does not reach. The page's own lines go over its sides: they are cut, and hold nothing.
UNTOLD = """() => {
    const found = [], hidden = ["hidden", "clip"], moved = ["auto", "scroll"];
    const reached = (box) => box.tabIndex >= 0 || [...box.querySelectorAll("*")].some((e) =>
        e.tabIndex >= 0 || (e.shadowRoot && reached(e.shadowRoot)));
    const shaded = (box) => [...box.parentElement.querySelectorAll(":scope > .edge")].some((e) => e.checkVisibility());
    const told = (box) => box.dataset.more || box.matches("[role=tablist], :has([role=tablist])") || shaded(box);
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
            if (!(wide && moved.includes(overflowX)) && !(high && moved.includes(overflowY))) continue;
            if (!told(box)) found.push(`no sign that it goes on: ${name}`);
            if (!reached(box)) found.push(`not reached by keys: ${name}`);
        }
    };
    within(document);
    return found;
}"""
