"""Lists that go on beyond their edges, which fade there: on a phone, in a zoomed window, of a long text."""

EDGES = ("edges.css", "edges.js")  # what a component needs that has such a list
