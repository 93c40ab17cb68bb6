"""Names of other libraries: complete, printed as they stand, and leading where they say in a model of transformers."""

import inspect
import re
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anatomy.other_names import LIBRARIES, NAMES, WITHOUT_SITE, OtherNames, markdown
from anatomy.request import Want
from anatomy.sites import SITES
from anatomy.stages import STAGES
from tests.models.tiny import run_of, tiny_engine, tiny_model
from tests.test_docs import missing
from tests.test_rooms import ROOT

LAYER, POS = 1, 6
MODELS = ("llama", "gpt2")
PATHS = [(kind, name) for kind in MODELS for name, names in NAMES.items() if getattr(names, kind)]
SAME = [(kind, name) for kind, name in PATHS if kind in NAMES[name].same]
CALLS = [(kind, name) for kind, name in PATHS if ".source." in getattr(NAMES[name], kind)]
OTHERWISE = [path for path in PATHS if path not in SAME and path not in CALLS]

_PATH = re.compile(r"model\.([\w.]+(?:\[l\])?[\w.]*?)((?:\.source\.\w+)*)\.(input|output|weight|bias)(?:\[(\d)\])?")
_HOOK_POINT = re.compile(r"(blocks\.\{l\}\.)?((attn|mlp|ln1|ln2|ln_final|unembed)\.)?(hook_[a-z_]+|w|b)")


class Place(NamedTuple):
    """What a path of nnsight says: a module, calls within it, which side of them, which part of a tuple."""

    module: str
    calls: tuple[str, ...]
    side: str
    part: int | None


def place_of(path: str) -> Place:
    found = _PATH.fullmatch(path)
    assert found, f"{path} is not of the form of a path"
    module, calls, side, part = found.groups()
    numbered = re.findall(r"\.source\.(\w+)_\d+", calls)
    return Place(module.replace("[l]", f".{LAYER}"), tuple(numbered), side, None if part is None else int(part))


def place(kind: str, name: str) -> Place:
    return place_of(getattr(NAMES[name], kind))


def shown(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The array at a path in a tiny model, as the model gives it, without its batch axis."""
    model, there = tiny_model(kind), place(kind, name)
    if there.side in ("weight", "bias"):
        return model.get_parameter(f"{there.module}.{there.side}").detach().numpy()
    seen: list[Any] = []
    module = model.get_submodule(there.module)
    if there.calls:
        _listen(module, there.calls[0], seen, monkeypatch)
    else:
        module.register_forward_hook(lambda _, args, kept, output: seen.append((args, kept, output)), with_kwargs=True)
    tokens = tiny_engine(kind).run(run_of(tiny_engine(kind))).tokens
    with torch.inference_mode():
        model(torch.tensor([[token.id for token in tokens]]))
    value = seen[LAYER] if there.calls else _side(there.side, *seen[0])
    value = value if there.part is None else value[there.part]
    assert isinstance(value, Tensor), f"{name}: not a tensor but {type(value)}"
    assert len(value) == 1, f"{name}: no batch axis"
    return value[0].numpy()


def _listen(module: nn.Module, name: str, seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a function that the module's code calls gives, once per layer."""
    code = sys.modules[type(module).__module__]
    function = getattr(code, name)

    def listened(*args: Any, **kwargs: Any) -> Any:
        seen.append(function(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(code, name, listened)


def _side(side: str, args: tuple, kept: dict[str, Any], output: Any) -> Any:
    """nnsight's `input` is the first argument, named or not."""
    return output if side == "output" else [*args, *kept.values()][0]


def ours(kind: str, name: str) -> np.ndarray:
    """The array of a site in the middle layer, at one position where the site is asked for so."""
    site, engine = SITES[name], tiny_engine(kind)
    want = Want(name, LAYER if site.per_layer else None, pos=POS if site.one_pos else None)
    return engine.run(run_of(engine), [want])[want]


def test_every_site_has_a_row_and_every_row_is_of_a_site() -> None:
    assert list(NAMES.keys() - SITES.keys()) == []
    assert list(SITES.keys() - NAMES.keys()) == []


def test_every_row_says_what_is_different() -> None:
    for name, names in NAMES.items():
        named = {library for library in LIBRARIES if getattr(names, library)}
        assert names.differs or (named and named == set(names.same)), f"{name} says nothing of {named - {*names.same}}"
        assert "|" not in names.differs, f"{name}: a bar would end the cell"


def test_only_a_name_can_be_of_the_same_array() -> None:
    with pytest.raises(ValueError, match="with a name can be the same"):
        OtherNames("hook_embed", same=("lens", "gpt2"))


def test_names_of_transformerlens_have_the_form_of_its_hook_points_and_parameters() -> None:
    lens = [names.lens for names in NAMES.values() if names.lens]
    assert len(lens) > 20
    assert [name for name in (*lens, *WITHOUT_SITE) if not _HOOK_POINT.fullmatch(name)] == []
    assert set(lens).isdisjoint(WITHOUT_SITE)


def test_a_name_of_transformerlens_stands_within_the_layers_where_the_site_does() -> None:
    for name, names in NAMES.items():
        assert not names.lens or names.lens.startswith("blocks.{l}.") == SITES[name].per_layer, name


@pytest.mark.parametrize(("kind", "name"), PATHS)
def test_a_path_of_nnsight_leads_to_a_part_of_the_model(kind: str, name: str) -> None:
    there = place(kind, name)
    module = tiny_model(kind).get_submodule(there.module)
    if there.side in ("weight", "bias"):
        assert isinstance(module.get_parameter(there.side), nn.Parameter)


@pytest.mark.parametrize(("kind", "name"), CALLS)
def test_a_call_that_a_path_names_stands_in_the_code_of_its_module(kind: str, name: str) -> None:
    there = place(kind, name)
    module = tiny_model(kind).get_submodule(there.module)
    first, *inner = there.calls
    assert f"{first}(" in inspect.getsource(type(module).forward)
    code = inspect.getsource(sys.modules[type(module).__module__].eager_attention_forward)
    assert all(re.search(rf"\b{call.replace('_', '.')}\(", code) for call in inner)


@pytest.mark.parametrize(("kind", "name"), SAME)
def test_what_is_said_to_be_the_same_array_is(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = shown(kind, name, monkeypatch)
    mine = ours(kind, name)
    theirs = theirs[POS] if SITES[name].one_pos else theirs
    assert theirs.shape == mine.shape
    np.testing.assert_allclose(theirs, mine, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "name"), OTHERWISE)
def test_what_is_not_said_to_be_the_same_is_not(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, mine = shown(kind, name, monkeypatch), ours(kind, name)
    assert theirs.shape != mine.shape or not np.allclose(theirs, mine, atol=1e-3)


@pytest.mark.parametrize(("kind", "name"), OTHERWISE)
def test_heads_side_by_side_hold_the_numbers_of_ours(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, mine = shown(kind, name, monkeypatch), ours(kind, name)
    if place(kind, name).module.endswith("c_attn"):
        theirs = np.split(theirs, 3, axis=-1)["qkv".index(name)]
    theirs = theirs.reshape(len(theirs), len(mine), -1).swapaxes(0, 1)  # [head pos d_head]
    np.testing.assert_allclose(theirs, mine, rtol=1e-5, atol=1e-5)


def test_the_page_is_what_the_module_prints() -> None:
    page = (ROOT / "docs/names.md").read_text("utf-8")
    assert page == markdown(), "run: python -m anatomy.other_names > docs/names.md"


def test_the_page_names_only_files_that_are_there() -> None:
    assert missing(markdown()) == []


def test_every_site_stands_in_the_page_once_under_its_stage() -> None:
    rows = re.findall(r"^\| `(\w+)` \[", markdown(), re.MULTILINE)
    assert sorted(rows) == sorted(SITES)
    numbers = [STAGES[SITES[row].stage].number for row in rows]
    assert numbers == sorted(numbers)
