"""Controls that several panels read: moving one of them moves it everywhere."""

from anatomy.control import Choice, Slider, Switch
from anatomy.language import N_

# Many heads rest on the first token, and its stream is far longer than the others'. Without it the rest can be read.
FIRST = Switch(
    "first",
    N_("First token"),
    default=True,
    says=N_(
        "Off leaves the first token out: it often takes most of the attention and has by far the longest vector, and "
        "hides how the others differ."
    ),
)
# Tokens that spell one word side by side are shown as one.
WORDS = Switch(
    "words", N_("Words"), says=N_("On joins the tokens of one word: the figure has a place per word, not per token.")
)
# Colours of attention weights.
SCALE = Choice(
    "scale",
    N_("Scale"),
    ("linear", "log"),
    (N_("linear"), N_("log")),
    says=N_(
        "How colours follow the values. Linear: equal steps of colour are equal differences. Log: they are equal "
        "factors, so that small values can be told apart."
    ),
)
# Lengths in the residual stream span several powers of ten.
NORM_SCALE = Choice(
    "norms",
    N_("Scale"),
    ("log", "linear"),
    (N_("log"), N_("linear")),
    says=N_(
        "How lengths of the stream are drawn. Log: equal steps are equal factors, as lengths grow a hundredfold. "
        "Linear: equal steps are equal differences."
    ),
)
# How the next token is drawn: what the sampling panel shows, and what the page goes on with.
TEMPERATURE = Slider(
    "temp",
    N_("Temperature"),
    0.1,
    2.0,
    0.1,
    1.0,
    says=N_(
        "What logits are divided by before softmax. At 1 the probabilities are the model's own; below 1 the best "
        "token gains, above 1 the others do."
    ),
)
TOP_K = Slider(
    "topk",
    N_("Top-k (0: all)"),
    0,
    100,
    1,
    50,
    says=N_("How many of the most probable tokens may be drawn: 1 is the best alone, 0 is all of them."),
)
TOP_P = Slider(
    "topp",
    N_("Top-p (1: all)"),
    0.05,
    1.0,
    0.05,
    1.0,
    says=N_(
        "The most probable tokens that together hold this share may be drawn: the smaller it is, the fewer; 1 is all "
        "of them."
    ),
)
MIN_P = Slider(
    "minp",
    N_("Min-p (0: all)"),
    0.0,
    0.5,
    0.01,
    0.0,
    says=N_(
        "Only tokens with at least this share of the best one's probability may be drawn: 0 is all of them, 0.5 those "
        "at least half as probable."
    ),
)
PENALTY = Slider(
    "penalty",
    N_("Repetition penalty (1: none)"),
    1.0,
    2.0,
    0.05,
    1.0,
    says=N_(
        "Makes tokens that stand in the text less probable: their logits are divided by this number, or multiplied "
        "where they are below 0. 1 changes nothing."
    ),
)
