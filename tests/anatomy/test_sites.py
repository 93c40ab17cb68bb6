"""The table of sites: complete rows, known words only."""

from anatomy.sites import SITES
from anatomy.stages import STAGES

AXES = {"pos", "src", "head", "kv", "layer", "part", "k", "m", "d_head", "d_model", "d_ff", "vocab"}
AXES |= {"row", "col", "byte", "chat"}


def test_every_site_uses_the_axis_words_and_belongs_to_a_stage():
    for site in SITES.values():
        assert set(site.axes) <= AXES, site.name
        assert site.stage in STAGES, site.name
        assert site.unit, site.name
        assert site.says, site.name


def test_the_stages_are_numbered_in_order_and_have_sentences():
    assert [stage.number for stage in STAGES.values()] == list(range(1, 9))
    assert all(stage.says.endswith(".") for stage in STAGES.values())
