"""The registry: every site is answered by one computation, which says beside itself what that takes."""

from collections import Counter

import pytest

from anatomy.request import Want
from anatomy.sites import SITES, axes_of
from models.loaded import norms, readout, relative, sharing, stored, vocabulary
from models.measures import collect, reductions
from models.measures.registry import APART, MEASURES, PARTS, basis, with_resting
from models.reading.recorder import ATTENDED, ORDER
from models.text import tokenizer
from tests.models.tiny import MODELS, tiny_engine

TOP = ("src", "head", "weight", "moved")


def test_every_site_is_answered_by_one_measure() -> None:
    of_layers = (*collect.MEASURES, *reductions.REDUCTIONS, *reductions.ATTENTION_REDUCTIONS)
    measures = [*(measure for part in PARTS for measure in part.measures), *of_layers]
    given = Counter([*(site for measure in measures for site in measure.gives), *tokenizer.SITES])
    assert given == Counter(SITES.keys())


def test_what_a_measure_rests_on_are_sites() -> None:
    needed = frozenset().union(*(measure.needs for measure in MEASURES.values()))
    assert needed - SITES.keys() == {ORDER}
    assert ATTENDED not in needed


def test_what_needs_no_forward_pass_is_answered_from_parameters() -> None:
    fixed = {site for site, measure in MEASURES.items() if not measure.forward}
    assert fixed == frozenset().union(
        *(measure.gives for module in (vocabulary, norms, sharing, relative, stored) for measure in module.MEASURES)
    )
    assert fixed <= APART


def test_lengths_are_declared_for_the_axes_that_nothing_else_decides() -> None:
    decided = {"pos", "src"} | tiny_engine().spec.sizes(None).keys() | tiny_engine("t5").spec.sizes(None).keys()
    for site, measure in MEASURES.items():
        assert set(SITES[site].axes) <= decided | measure.lengths.keys(), site
        assert measure.lengths.keys() <= set().union(*(SITES[one].axes for one in measure.gives)), site


@pytest.mark.parametrize("kind", MODELS)
def test_a_basis_is_shown_by_layers_as_they_run(kind: str) -> None:
    spec = tiny_engine(kind).spec
    for site in APART:
        want = Want(
            site,
            layer=1 if SITES[site].per_layer else None,
            pos=3 if "pos" in SITES[site].axes else None,
            token=1 if SITES[site].for_token else None,
        )
        for based in basis([want], spec):
            assert based.site not in APART
            axes_of(based)
    shown = [Want("q", 1), Want("norm_mid"), Want("logits", pos=1)]
    assert basis(shown, spec) == shown[:2]


def test_what_is_missing_takes_what_rests_on_it_along_however_far() -> None:
    reasons = with_resting({"v": "why", "lens_kl": "another"})
    moved = ("contribution", "contribution_max", "contribution_mean", "dla_src", *(f"top_{of}" for of in TOP))
    assert reasons == dict.fromkeys(("v", *moved), "why") | {"lens_kl": "another"}
    assert with_resting({"near_ids": "why"}) == {"near_ids": "why"}


def test_the_lens_reads_more_rows_than_the_prediction() -> None:
    spec, lens, following = tiny_engine().spec, Want("lens_ids"), Want("next_ids")
    lens_rows, next_rows = (MEASURES[want.site].rows(spec, 7, want) for want in (lens, following))
    assert (lens_rows, next_rows) == (7 * spec.layers, 7)
    assert MEASURES["next_ids"].lengths["k"] == readout.NEXT_K
