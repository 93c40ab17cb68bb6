"""Controls that several panels read: moving one of them moves it everywhere."""

from anatomy.control import Choice, Switch

# Many heads rest on the first token, and its stream is far longer than the others'. Without it the rest can be read.
FIRST = Switch("first", "First token", default=True)
# Colours of attention weights.
SCALE = Choice("scale", "Scale", ("linear", "log"), ("linear", "log"))
# Lengths in the residual stream span several powers of ten.
NORM_SCALE = Choice("norms", "Scale", ("log", "linear"), ("log", "linear"))
