"""Measurements, run by hand; each prints one table in Markdown. Times are of this machine: quote ratios, which are
taken inside one run in which what is compared takes turns.

    python -m bench ratios            the trace that the page needs against a plain `transformers` forward
    python -m bench views             server time and bytes of another layer, head or token of a traced text
    python -m bench peers             TransformerLens, nnsight and BertViz on the same weights, each against plain
    python -m bench class             30 sessions at once over real WebSockets, answers compared with a single reader's
    python -m bench soak              a class for 20 minutes: does memory stay flat?

`--help` after each says what can be set. `class` and `soak` start a server of their own on a free port of this machine
and stop it again. `peers` makes one environment per peer under the cache folder (about 1 GB each, removed by deleting
`bench/` there) with the CPU build torch==2.13.0+cpu, which your pip must be able to find; no other build is taken.
"""
