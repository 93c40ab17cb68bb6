"""Every place in a transformer one can look at: name, axes, unit, stage, meaning. The only list of sites."""

from dataclasses import dataclass
from typing import Literal

from anatomy.language import N_
from anatomy.request import Want

# Units that are counted in: arrays of them are of 8-byte integers.
WHOLE_NUMBERS = frozenset(
    {"token", "neuron", "rank", "part", "merge", "rule", "role", "position", "head", "byte", "storage"}
)
# What the places along an axis are. There is no batch axis.
AXES = {
    "pos": N_("token looked from"),
    "src": N_("token looked at"),
    "head": N_("query head"),
    "kv": N_("key/value head"),
    "layer": N_("layer, from 0"),
    "k": N_("rank, the first the best"),
    "m": N_("rank within a rank"),
    "part": N_("part that the final stream is a sum of: the embedding, each attention, each FFN"),
    "d_head": N_("dimension of a head's queries, keys and values"),
    "d_model": N_("dimension of the stream: the model's width"),
    "d_ff": N_("neuron of a feed-forward layer"),
    "vocab": N_("token of the vocabulary"),
    "row": N_("row of a thumbnail"),
    "col": N_("column of a thumbnail"),
    "byte": N_("byte of the tokens' spelling"),
    "chat": N_("token of the text as a conversation"),
    "bucket": N_("bucket of distances that share a number"),
    "event": N_("call of a part within a layer, in order"),
    "side": N_("this model, then its variant"),
    "raw": N_("byte of a row of a matrix, in the order of the file"),
    "input": N_("input of a matrix: what its row has a weight for"),
}


@dataclass(frozen=True)
class Site:
    """name, axes of one array, unit of its numbers, stage it belongs to, what it is, whether each layer has one.

    one_pos     asked for at one position at a time: all of them would be too large or too slow
    for_token   asked for a token of the vocabulary, or for one against another
    one_head    asked for one query head at a time, the whole map of it or a window
    of          what else it is asked of: a "variant" of the model, a "row" of a matrix; "" for nothing
    """

    name: str
    axes: tuple[str, ...]
    unit: str
    stage: str
    says: str
    per_layer: bool
    one_pos: bool = False
    for_token: bool = False
    one_head: bool = False
    of: Literal["", "variant", "row"] = ""


_ONE_LAYER = """
resid_pre      | pos d_model     | activation  | residual  | stream entering the layer
resid_mid      | pos d_model     | activation  | residual  | stream between attention and FFN
resid_post     | pos d_model     | activation  | residual  | stream leaving the layer
attn_in        | pos d_model     | activation  | residual  | what attention reads: the stream, or its normalized form
ffn_in         | pos d_model     | activation  | residual  | what the FFN reads: the stream, or its normalized form
q_unturned     | head pos d_head | activation  | position  | queries before rotation, as the projection gives them
k_unturned     | kv src d_head   | activation  | position  | keys before rotation, one set per key/value head
q              | head pos d_head | activation  | attention | queries, after rotation where the model rotates
k              | kv src d_head   | activation  | attention | keys, after rotation, one set per key/value head
v              | kv src d_head   | activation  | attention | values, one set per key/value head
pos_bias       | head pos src    | logit       | position  | added to the scores for the distance between two tokens
scores         | head pos src    | logit       | attention | q·k scaled, biased and masked; −inf where the mask forbids
pattern        | head pos src    | probability | attention | attention weights: softmax of scores; each row sums to 1
contribution   | head pos src    | L2 norm     | attention | length of weight × value, through the output projection
z              | head pos d_head | activation  | attention | weighted sum of values, per query head
attn_out       | pos d_model     | activation  | attention | what attention adds to the stream
gate           | pos d_ff        | activation  | ffn       | gate projection, before the activation function
up             | pos d_ff        | activation  | ffn       | up projection: the other factor of a gated FFN
act            | pos d_ff        | activation  | ffn       | neurons: what enters the down projection
ffn_out        | pos d_model     | activation  | ffn       | what the FFN adds to the stream
ffn_sum_gap    | pos             | activation  | ffn       | largest difference of Σ neuron × its row from ffn_out
attn_gain      | d_model         | activation  | residual  | gain of attention's norm: a factor per dimension
ffn_gain       | d_model         | activation  | residual  | gain of the FFN's norm: a factor per dimension
attn_norm_bias | d_model         | activation  | residual  | what attention's norm adds per dimension (LayerNorm)
ffn_norm_bias  | d_model         | activation  | residual  | what the FFN's norm adds per dimension (LayerNorm)
"""

# One head's map at any length of text, cut into at most `measure.POOLED` nearly equal cells a side (`measure.edges`); a
# window of no more tokens than that is given pair by pair. Pairs that the mask forbids count as 0.
_OF_ONE_HEAD = """
pattern_max       | row col | probability | attention | largest attention weight in each cell of a head's map
pattern_mean      | row col | probability | attention | mean attention weight in each cell of a head's map
contribution_max  | row col | L2 norm     | attention | largest contribution in each cell of a head's map
contribution_mean | row col | L2 norm     | attention | mean contribution in each cell of a head's map
"""

# The strongest neurons by size of activation × length of the row that it multiplies, and the tokens whose logits each
# of these writes raises and lowers most, with the final norm as it was at this position.
_ONE_LAYER_AT_ONE_POS = """
write_ids         | pos k   | neuron     | ffn | neurons that write the longest vectors, longest first
write_acts        | pos k   | activation | ffn | activation of each of write_ids
write_norms       | pos k   | L2 norm    | ffn | length of what each of write_ids writes
write_up_ids      | pos k m | token      | ffn | tokens whose logits each of write_ids raises most
write_up_logits   | pos k m | logit      | ffn | what each of write_ids adds to the logits of write_up_ids
write_down_ids    | pos k m | token      | ffn | tokens whose logits each of write_ids lowers most
write_down_logits | pos k m | logit      | ffn | what each of write_ids adds to the logits of write_down_ids
"""

# A row of a matrix of a layer (`anatomy.storage`): what one output is made with, as it lies in the checkpoint's file.
_OF_ONE_ROW = """
stored_bytes | raw   | byte    | scale | bytes of the row as the checkpoint's file has them
stored_kind  |       | storage | scale | how these bytes store the row's weights
stored_row   | input | weight  | scale | weights of the row that the model computes with
"""

# What the tokenizer alone answers.
_OF_THE_TOKENIZER = """
merge_step | byte | merge | tokens | merge of its word that joined a byte to the one before, 1 first; 0 from the start
merge_rule | byte | rule  | tokens | row of the table of merges for merge_step; −1 where tokens meet, −2 where words do
chat_ids   | chat | token | tokens | the text as a user's message, as the checkpoint's chat template writes it
chat_role  | chat | role  | tokens | whose part each of chat_ids is: 0 system, 1 user, 2 assistant
"""

# The norm_, cos_, act_, head_ and top_ sites cover every layer at once; an engine reduces them while the model runs.
_WHOLE_MODEL = """
tok_embed      | pos d_model        | activation  | embedding | rows of the embedding table for the text's tokens
pos_embed      | pos d_model        | activation  | position  | rows of a learned position table, added to the embedding
bias_table     | bucket head        | logit       | position  | trained number that each head adds for each bucket
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
act_zero       | layer pos          | share       | ffn       | neurons that are exactly 0
ffn_bend       | layer pos          | ratio       | ffn       | how far FFN(x+y) is from FFN(x)+FFN(y); y: token before
head_previous  | layer head         | probability | attention | mean weight on the token just before
head_first     | layer head         | probability | attention | mean weight on the first token
head_duplicate | layer head         | probability | attention | mean weight on other places of the same token
head_induction | layer head         | probability | attention | mean weight on what followed the same token before
head_local     | layer head         | probability | attention | mean weight on tokens at most 4 away, itself included
head_entropy   | layer head         | nat         | attention | mean entropy of the attention rows
head_distance  | layer head         | tokens      | attention | mean distance looked, weighted by attention
head_later     | layer head         | probability | attention | mean weight on all tokens that come after
head_apart     | layer head         | nat         | attention | mean Jensen–Shannon divergence from the other heads
head_reach     | layer src          | probability | attention | share of all weight on tokens this far away, 0 first
head_maps      | layer head row col | 1/255       | attention | each head's map, max-pooled to ≤ 32 × 32, in 256 steps
top_src        | layer pos          | position    | attention | who brings it most, the first and itself left out
top_head       | layer pos          | head        | attention | query head through which it does; both −1 for none
top_weight     | layer pos          | probability | attention | its attention weight
top_moved      | layer pos          | L2 norm     | attention | length of weight × value, through the output projection
lens_ids       | layer pos k        | token       | stack     | tokens the final norm and head name after each layer
lens_logp      | layer pos k        | nat         | stack     | log probability of each of lens_ids
lens_kl        | layer pos          | nat         | stack     | KL divergence of the final distribution from each lens
next_ids       | pos k              | token       | output    | most probable tokens, best first
next_logp      | pos k              | nat         | output    | log probability of each of next_ids
entropy        | pos                | nat         | output    | entropy of the output over the whole vocabulary
surprisal      | pos                | nat         | output    | −log p of each token after those before it; first: NaN
half_kl        | pos                | nat         | output    | KL divergence of the output in bfloat16 from this one
batch_gap      | pos                | activation  | residual  | largest change of the final stream when run in a batch
weight_gap     | layer              | weight      | stack     | largest difference from the matrices of the layer before
layer_order    | layer event        | part        | stack     | parts as they were called: 0 norm, 1 attention, 2 FFN
"""

_AT_ONE_POS = """
watch_ids  | pos k         | token  | stack     | all tokens that lead after some layer, the final one first
watch_logp | layer pos k   | nat    | stack     | log probability of each of watch_ids after each layer
watch_rank | layer pos k   | rank   | stack     | place of each of watch_ids after each layer, 1 the best
cos_tokens | layer pos src | cosine | embedding | a token's stream leaving each layer against every token's
logits     | pos vocab     | logit  | output    | the model's score for every token of the vocabulary
cache_gap  | pos           | logit  | output    | largest difference of its logits when computed over the cache
"""

# Direct logit attribution: what each part of the final stream adds to the logit of a token, or to its lead over
# another, with the final norm as it was in the run.
_FOR_A_TOKEN = """
dla_parts         | pos part       | logit  | output | what the embedding, each attention and each FFN add to the logit
dla_heads         | pos layer head | logit  | output | what each head adds through the output projection, its bias apart
dla_src           | pos src        | logit  | output | what each token's values add through all heads, that bias apart
dla_neuron_ids    | pos layer k    | neuron | output | each layer's neurons that add most to the logit or take most off
dla_neuron_logits | pos layer k    | logit  | output | what each of dla_neuron_ids adds to the logit
"""


# What the same text is to a variant of the model, one whose weights or precision differ ("3bit"): streams and output
# against this model's, token for token. Seconds are measured, and differ from one time to the next.
_OF_A_VARIANT = """
variant_kl       | pos       | nat    | scale | KL divergence of the variant's output from this model's
variant_loss     | pos       | nat    | scale | −log p of each token after those before it, by the variant; first: NaN
variant_ids      | pos       | token  | scale | the variant's most probable token
variant_distance | layer pos | ratio  | scale | distance of the streams leaving a layer, over the length of this model's
variant_seconds  | side      | second | scale | quickest pass over the text: by this model, by the variant
"""


def _rows(table: str, *flags: bool, of: Literal["", "variant", "row"] = "") -> list[Site]:
    cells = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    return [
        Site(name, tuple(axes.split()), unit, stage, says, *flags, of=of) for name, axes, unit, stage, says in cells
    ]


_ALL = (
    *_rows(_ONE_LAYER, True),
    *_rows(_ONE_LAYER_AT_ONE_POS, True, True),
    *_rows(_OF_THE_TOKENIZER, False),
    *_rows(_WHOLE_MODEL, False),
    *_rows(_AT_ONE_POS, False, True),
    *_rows(_FOR_A_TOKEN, False, True, True),
    *_rows(_OF_ONE_HEAD, True, False, False, True),
    *_rows(_OF_A_VARIANT, False, of="variant"),
    *_rows(_OF_ONE_ROW, True, of="row"),
)
SITES: dict[str, Site] = {site.name: site for site in _ALL}


def axes_of(want: Want) -> tuple[str, ...]:
    """Axes of the array that answers a want: those of its site, without `pos` where one position was asked for.

    KeyError for an unknown site; ValueError where the want leaves out what the site is asked for, or names more.
    """
    site = SITES[want.site]
    if site.per_layer and want.layer is None:
        raise ValueError(f"{want.site} exists in every layer: name one, Want({want.site!r}, layer=0)")
    if not site.per_layer and want.layer is not None:
        raise ValueError(f"{want.site} exists once per model: leave layer out")
    if site.for_token != (want.token is not None) or (want.against is not None and not site.for_token):
        raise ValueError(f"{want}: {want.site} is asked for {'a token: name one' if site.for_token else 'no token'}")
    if site.one_head != (want.head is not None) or (want.window is not None and not site.one_head):
        raise ValueError(f"{want}: {want.site} is asked for {'one head: name it' if site.one_head else 'all heads'}")
    if bool(site.of) != (want.of is not None):
        raise ValueError(
            f"{want}: {want.site} is asked of {f'a {site.of}: name one' if site.of else 'the model itself'}"
        )
    if want.pos is None:
        return site.axes
    if "pos" not in site.axes:
        raise ValueError(f"{want.site} has no position to choose: leave pos out")
    return tuple(axis for axis in site.axes if axis != "pos")
