"""Measurements, run by hand; each prints one table in Markdown. Times are of this machine: quote ratios, which are
taken inside one run in which what is compared takes turns.

    python -m bench ratios            the trace that the page needs against a plain `transformers` forward
    python -m bench views             server time and bytes of another layer, head or token of a traced text
    python -m bench peers             TransformerLens, nnsight and BertViz on the same weights, each against plain
    python -m bench quantized         plain forwards in float32, bfloat16 and torchao's int8: seconds, bytes of weights
    python -m bench long              every group of sites at 512, 2,048 and 8,192 tokens: seconds, memory, estimates
    python -m bench class             30 sessions at once over real WebSockets, answers compared with a single reader's
    python -m bench soak              a class for 20 minutes: does memory stay flat?
    python -m bench lost              readers who go on quickly: do their pages forget what the server only names?
    python -m bench mutations         faults made by hand in a copy of the tree: which of them do the tests catch?
    python -m bench first             the opening beside a plain Streamlit page with one heat map, as ratios
    python -m bench start             the page in a real browser: first figure, live model, bytes; with and without gzip

`--help` after each says what can be set. `class`, `soak`, `lost`, `first` and `start` start servers of their own on a
free port of this machine and stop them again; `first` and `start` need Chromium and what the tests need, and nginx or
Caddy for the rows behind a proxy. `peers` makes one environment per peer under the cache folder (about 1 GB each,
removed by deleting `bench/` there) with the build of torch that runs here or, where that is one for a GPU, the CPU
build of its version (…+cpu), which your pip must then be able to find. A peer that takes too long (`--limit`) or too
much memory is said to. `quantized` fetches torchao (a few MB) to the same place.
"""
