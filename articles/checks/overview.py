"""What many checks read of every layer at once: asked for together, so that the layers are run again only once."""

from anatomy.refused import Refused
from anatomy.request import Want
from anatomy.trace import Trace
from articles.verdict import Case

# Streams' lengths and directions, heads by kind, the FFN's neurons, the parts as they ran.
SITES = (
    *("norm_pre", "norm_mid", "norm_post", "norm_attn", "norm_ffn", "cos_attn", "cos_ffn"),
    *("head_later", "head_apart", "head_reach", "head_entropy", "act_zero", "ffn_bend", "layer_order"),
)


def overview(case: Case, *sites: str) -> Trace:
    """The page's run with these sites, all among SITES; and with the others, unless the engine has not all of them."""
    try:
        return case.trace(*map(Want, SITES))
    except Refused:
        return case.trace(*map(Want, sites))
