"""The table of sites: complete rows, known words only."""

from anatomy.sites import AXES, SITES
from anatomy.stages import STAGES


def test_every_axis_is_one_of_a_site_and_has_a_sentence():
    assert set(AXES) == {axis for site in SITES.values() for axis in site.axes}
    assert all(AXES.values())


def test_every_site_uses_the_axis_words_and_belongs_to_a_stage():
    for site in SITES.values():
        assert set(site.axes) <= set(AXES), site.name
        assert site.stage in STAGES, site.name
        assert site.unit, site.name
        assert site.says, site.name


def test_the_stages_are_numbered_in_order_and_have_sentences():
    assert [stage.number for stage in STAGES.values()] == list(range(1, 10))
    assert all(stage.says.endswith(".") for stage in STAGES.values())
