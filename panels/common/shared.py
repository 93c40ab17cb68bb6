"""Controls that several panels read: moving one of them moves it everywhere."""

from anatomy.control import Choice, Slider, Switch
from anatomy.language import N_

# Many heads rest on the first token, and its stream is far longer than the others'. Without it the rest can be read.
FIRST = Switch("first", N_("First token"), default=True)
# Tokens that spell one word side by side are shown as one.
WORDS = Switch("words", N_("Words"))
# Colours of attention weights.
SCALE = Choice("scale", N_("Scale"), ("linear", "log"), (N_("linear"), N_("log")))
# Lengths in the residual stream span several powers of ten.
NORM_SCALE = Choice("norms", N_("Scale"), ("log", "linear"), (N_("log"), N_("linear")))
# How the next token is drawn: what the sampling panel shows, and what the page goes on with.
TEMPERATURE = Slider("temp", N_("Temperature"), 0.1, 2.0, 0.1, 1.0)
TOP_K = Slider("topk", N_("Top-k (0: all)"), 0, 100, 1, 50)
TOP_P = Slider("topp", N_("Top-p (1: all)"), 0.05, 1.0, 0.05, 1.0)
