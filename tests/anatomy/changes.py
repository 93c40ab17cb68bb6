"""Changes of all kinds, as a link may hold them: for tests of what becomes of any."""

from hypothesis import strategies as st

from anatomy.interventions import PLACES, Change
from anatomy.request import Intervention, Run

NUMBER = st.none() | st.integers(0, 99_999)
AMOUNTS = st.floats(-1e9, 1e9, exclude_min=True, exclude_max=True, allow_subnormal=False).map(lambda value: value + 0.0)
SOURCE = st.builds(Run, st.just(""), st.text(max_size=20))


@st.composite
def interventions(draw):
    place = PLACES[draw(st.sampled_from(sorted(PLACES)))]
    return Intervention(
        place.site,
        draw(st.sampled_from(place.ops)),
        *(draw(NUMBER) for _name in ("layer", "head", "kv", "neuron", "pos")),
        amount=draw(AMOUNTS),
        seed=draw(st.integers(0, 99_999)),
        token=draw(NUMBER),
        random=draw(NUMBER),
        other=draw(NUMBER),
        sources=tuple(draw(st.lists(SOURCE, max_size=2))),
    )


changes = st.lists(st.builds(Change, interventions(), st.booleans()), max_size=6).map(tuple)
