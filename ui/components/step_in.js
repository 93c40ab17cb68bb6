// What opens over the page stands at the document's end: without this, Tab would go through all of the page first.
const SEEN = new WeakSet();

export default function ({ parentElement }) {
  const root = rootOf(parentElement), host = root.getRootNode().host ?? root;
  const body = host.closest('[data-testid="stPopoverBody"]');
  if (!body || SEEN.has(body)) return;
  SEEN.add(body);
  body.querySelector("button, input, select, textarea, a[href]")?.focus({ preventScroll: true });
}
