"""Every place in a transformer one can look at: name, axes, unit, stage, meaning. The only list of sites.

Axes: `pos` token looked from · `src` token looked at · `head` query head · `kv` key/value head · `layer` · `k` rank ·
`d_head`, `d_model`, `d_ff`, `vocab` widths of the model · `row`, `col` cells of a thumbnail. No batch axis.
"""

from dataclasses import dataclass

from anatomy.request import Want


@dataclass(frozen=True)
class Site:
    """name, axes of one array, unit of its numbers, stage it belongs to, what it is, whether each layer has one."""

    name: str
    axes: tuple[str, ...]
    unit: str
    stage: str
    says: str
    per_layer: bool


_ONE_LAYER = """
resid_pre      | pos d_model     | activation  | residual  | stream entering the layer
resid_mid      | pos d_model     | activation  | residual  | stream between attention and FFN
resid_post     | pos d_model     | activation  | residual  | stream leaving the layer
attn_in        | pos d_model     | activation  | residual  | what attention reads: the stream, or its normalized form
ffn_in         | pos d_model     | activation  | residual  | what the FFN reads: the stream, or its normalized form
q              | head pos d_head | activation  | attention | queries, after rotation where the model rotates
k              | kv src d_head   | activation  | attention | keys, after rotation, one set per key/value head
v              | kv src d_head   | activation  | attention | values, one set per key/value head
scores         | head pos src    | logit       | attention | q·k scaled, biased and masked; −inf where the mask forbids
pattern        | head pos src    | probability | attention | attention weights: softmax of scores; each row sums to 1
z              | head pos d_head | activation  | attention | weighted sum of values, per query head
attn_out       | pos d_model     | activation  | attention | what attention adds to the stream
gate           | pos d_ff        | activation  | ffn       | gate projection, before the activation function
up             | pos d_ff        | activation  | ffn       | up projection: the other factor of a gated FFN
act            | pos d_ff        | activation  | ffn       | neurons: what enters the down projection
ffn_out        | pos d_model     | activation  | ffn       | what the FFN adds to the stream
attn_gain      | d_model         | activation  | residual  | gain of attention's norm: a factor per dimension
ffn_gain       | d_model         | activation  | residual  | gain of the FFN's norm: a factor per dimension
attn_norm_bias | d_model         | activation  | residual  | what attention's norm adds per dimension (LayerNorm)
ffn_norm_bias  | d_model         | activation  | residual  | what the FFN's norm adds per dimension (LayerNorm)
"""

# The norm_, cos_, act_ and head_ sites cover every layer at once; an engine reduces them while the model runs.
_WHOLE_MODEL = """
tok_embed      | pos d_model        | activation  | embedding | rows of the embedding table for the text's tokens
pos_embed      | pos d_model        | activation  | position  | rows of a learned position table, added to the embedding
near_ids       | pos k              | token       | embedding | vocabulary tokens with the most similar rows, best first
near_cos       | pos k              | cosine      | embedding | cosine between the token's row and each of near_ids
near_rows      | pos k d_model      | activation  | embedding | embedding rows of near_ids
norm_pre       | layer pos          | L2 norm     | residual  | length of the stream entering each layer
norm_mid       | layer pos          | L2 norm     | residual  | length of the stream between attention and FFN
norm_post      | layer pos          | L2 norm     | residual  | length of the stream leaving each layer
norm_attn      | layer pos          | L2 norm     | residual  | length of what attention adds
norm_ffn       | layer pos          | L2 norm     | residual  | length of what the FFN adds
cos_attn       | layer pos          | cosine      | residual  | attention's write against the stream it is added to
cos_ffn        | layer pos          | cosine      | residual  | the FFN's write against the stream it is added to
act_small      | layer pos          | share       | ffn       | neurons of at most 1 % of the token's strongest
head_previous  | layer head         | probability | attention | mean weight on the token just before
head_first     | layer head         | probability | attention | mean weight on the first token
head_duplicate | layer head         | probability | attention | mean weight on other places of the same token
head_induction | layer head         | probability | attention | mean weight on what followed the same token before
head_entropy   | layer head         | nat         | attention | mean entropy of the attention rows
head_distance  | layer head         | tokens      | attention | mean distance looked, weighted by attention
head_maps      | layer head row col | 1/255       | attention | each head's map, max-pooled to ≤ 32 × 32, in 256 steps
lens_ids       | layer pos k        | token       | stack     | tokens the final norm and head name after each layer
lens_logp      | layer pos k        | nat         | stack     | log probability of each of lens_ids
next_ids       | pos k              | token       | output    | most probable tokens, best first
next_logp      | pos k              | nat         | output    | log probability of each of next_ids
entropy        | pos                | nat         | output    | entropy of the output over the whole vocabulary
logits         | pos vocab          | logit       | output    | the model's score for every token of the vocabulary
"""


def _rows(table: str, per_layer: bool) -> list[Site]:
    cells = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    return [Site(name, tuple(axes.split()), unit, stage, says, per_layer) for name, axes, unit, stage, says in cells]


SITES: dict[str, Site] = {site.name: site for site in _rows(_ONE_LAYER, True) + _rows(_WHOLE_MODEL, False)}


def axes_of(want: Want) -> tuple[str, ...]:
    """Axes of the array that answers a want: those of its site, without `pos` where one position was asked for."""
    site = SITES[want.site]
    if site.per_layer and want.layer is None:
        raise ValueError(f"{want.site} exists in every layer: name one, Want({want.site!r}, layer=0)")
    if not site.per_layer and want.layer is not None:
        raise ValueError(f"{want.site} exists once per model: leave layer out")
    if want.pos is None:
        return site.axes
    if "pos" not in site.axes:
        raise ValueError(f"{want.site} has no position to choose: leave pos out")
    return tuple(axis for axis in site.axes if axis != "pos")
