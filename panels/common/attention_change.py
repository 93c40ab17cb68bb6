"""What is changed between the scores of the chosen token and its weights."""

from anatomy.language import _
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.chosen_cell import group_of
from panels.common.touched import Touched


def of_weights(trace: Trace, view: Fitted) -> Touched:
    """The changes of the weights that the chosen token gives in the chosen head."""
    group = group_of(trace.spec, view)
    return Touched.of(trace, view.layer, "pattern", head=view.head, kv=group, pos=view.pos)


def after_softmax(weighed: Touched) -> tuple[str, ...]:
    """A line of a formula that says so; none where nothing is changed."""
    if not weighed.made:
        return ()
    return (_("a change of this run comes after the softmax ({change})", change=weighed.says),)
