// What opens over the page stands at the document's end: without this, Tab would go through all of the page first.
const SEEN = new WeakSet(), SOON = 150; // milliseconds in which what is in it comes to stand there

export default function ({ parentElement }) {
  const root = rootOf(parentElement), body = (root.getRootNode().host ?? root).closest('[data-testid="stPopoverBody"]');
  if (!body || SEEN.has(body)) return;
  SEEN.add(body);
  setTimeout(() => body.querySelector("button, input, select, textarea")?.focus({ preventScroll: true }), SOON);
}
