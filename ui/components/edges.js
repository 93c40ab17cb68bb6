// What goes on beyond the edges of a list: told in its data-more, by which a style fades those edges, again whenever the
// list has moved, and where it or what stands at its ends has another size. far: called with whether it goes on sideways.
const EDGES = new WeakMap();

function edges(list, far = () => {}) {
  const tell = () => {
    const { scrollLeft, scrollTop } = list, wide = list.scrollWidth - list.clientWidth, high = list.scrollHeight - list.clientHeight;
    const more = { left: scrollLeft > 1, right: scrollLeft < wide - 1, top: scrollTop > 1, bottom: scrollTop < high - 1 };
    list.dataset.more = Object.keys(more).filter((side) => more[side]).join(" ");
    far(wide > 1);
  };
  EDGES.get(list)?.disconnect();
  const seen = new ResizeObserver(tell);
  for (const part of [list, list.firstElementChild, list.lastElementChild]) if (part) seen.observe(part);
  EDGES.set(list, seen);
  list.onscroll = tell;
  tell();
}
