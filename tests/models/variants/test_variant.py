"""A variant is a model: every number is that of a plain model which was altered in the plain way, the laws hold on it,
and all that comes out as it was is the base's own."""

import gc
import json
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from anatomy.alignment import identity
from anatomy.refused import Refused
from anatomy.request import Intervention, Want
from anatomy.spec import Weights
from anatomy.variants import PARTS, Alteration, in_every_run, new_bytes, read
from anatomy.view import View
from articles.verdict import Case, judge
from models import memory
from models.engine import Cancelled
from models.families import family_of
from models.loaded.halves import in_half
from models.local import load as loading
from models.local import packed
from models.local.engine import LocalEngine
from models.local.estimate import inputs_bytes
from models.local.load import variant
from models.variants.alike import alike
from models.variants.altered import altered
from tests.models.adapters import write_adapter
from tests.models.parity import parity, too_large
from tests.models.reference import Plain
from tests.models.tiny import MODELS, TEXT, ByteTokenizer, new_tiny_engine, run_of, tiny_engine, tiny_model
from tests.models.variants.plain_variants import plain_variant

OF_PARTS = ("3bit=ffn", "3bit=sym,attention", "int8=attention", "prune=0.4,ffn")
OF_WEIGHTS = (
    *("untrained", "untrained=3", "prune=0.4", "int8", "4bit", "3bit=sym", "2bit", "shared=2", "shared=3"),
    *OF_PARTS,
)
SHORT = ("untrained", "3bit=sym", "3bit=ffn")  # of each kind of model on every run of the tests; the rest in the widest
NOTHING = ("prune=0", "shared=1", "dropout=0")
BROKEN = ("noskip", "nonorm", "noskip~nonorm")
FLOAT32 = 1e-5  # of the largest number of a site, as in the parity tests of models as they are


def made(base: LocalEngine, name: str) -> LocalEngine:
    return variant(base, read(f"m~{name}")[1])


def plain(kind: str, *alterations: Alteration) -> Plain:
    """A plain pass of one of MODELS, altered by the library of torch and by hand."""
    model = tiny_model(kind)
    family = family_of(model.config.model_type)
    for one in alterations:
        model = plain_variant(model, list(family.layers_of(model)), one.kind, one.value)
    return Plain(model, list(TEXT.encode()))


_WIDE = [
    pytest.param(kind, name, marks=[pytest.mark.wide] if name not in SHORT and kind != "llama" else [])
    for kind in MODELS
    for name in OF_WEIGHTS
]


@pytest.mark.parametrize(("kind", "name"), _WIDE)
def test_every_number_is_that_of_a_plain_model_altered_so(kind: str, name: str) -> None:
    alterations = read(f"m~{name}")[1]
    engine = variant(tiny_engine(kind), alterations)
    gaps = parity(engine, plain(kind, *alterations), TEXT, pos=6)
    assert gaps
    assert too_large(gaps, FLOAT32) == []


@pytest.mark.parametrize(
    "name", ["prune=0.3~3bit", "untrained~prune=0.5", "shared=2~int8", "3bit=ffn~4bit=attention", "prune=0.5~2bit=ffn"]
)
def test_alterations_are_made_one_after_the_other(name: str) -> None:
    alterations = read(f"m~{name}")[1]
    gaps = parity(variant(tiny_engine("llama"), alterations), plain("llama", *alterations), TEXT, pos=6)
    assert too_large(gaps, FLOAT32) == []


@pytest.mark.parametrize("name", ["untrained", "prune=0.4", "2bit", "shared=2"])
@pytest.mark.parametrize("kind", MODELS)
def test_the_laws_hold_on_a_variant(kind: str, name: str) -> None:
    engine, base = made(tiny_engine(kind), name), tiny_engine(kind)
    assert engine.broken == base.broken == {}
    assert [one.name for one in engine.identities] == [one.name for one in base.identities]
    assert engine.missing.keys() == base.missing.keys()


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("kind", MODELS)
def test_a_variant_that_changes_nothing_differs_by_exactly_0(kind: str, name: str) -> None:
    base = tiny_engine(kind)
    engine = made(base, name)
    own, run = base.run(run_of(base), [Want("resid_post", layer) for layer in range(base.spec.layers)]), run_of(engine)
    for want, array in own.arrays.items():
        np.testing.assert_array_equal(engine.run(run, [want])[want], array)
    parting = base.parting(run_of(base), engine, run, identity(len(own.tokens)))
    for differences in (parting.kl, parting.kl_back, parting.distance):
        assert differences is None or not differences.any()
    assert _own_bytes(engine, base) == 0


def _own_bytes(engine: LocalEngine, base: LocalEngine) -> int:
    """Bytes of weights that are not the base's memory."""
    theirs = {parameter.data_ptr() for parameter in base.model.parameters()}
    own = {parameter.data_ptr(): parameter.nbytes for parameter in engine.model.parameters()}
    return sum(size for place, size in own.items() if place not in theirs)


@pytest.mark.parametrize("name", OF_WEIGHTS)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_it_takes_no_more_memory_than_is_said_before(kind: str, name: str) -> None:
    base = tiny_engine(kind)
    own, said = _own_bytes(made(base, name), base), new_bytes(dict(base.spec.counts), read(f"m~{name}")[1])
    assert own <= said
    assert (own == 0) == (said == 0)


def test_norms_and_the_tables_of_a_rounded_model_are_the_bases_own() -> None:
    base = tiny_engine("llama")
    theirs, own = (dict(engine.model.named_parameters()) for engine in (base, made(base, "3bit")))
    shared = {name for name, parameter in own.items() if parameter.data_ptr() == theirs[name].data_ptr()}
    assert shared == {name for name in own if "norm" in name or "embed" in name or "lm_head" in name}


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_kept_to_one_part_is_its_tensors_and_the_bases_own_elsewhere(kind: str) -> None:
    base = tiny_engine(kind)
    whole, attention, ffn = (
        dict(made(base, name).model.named_parameters()) for name in ("3bit", "3bit=attention", "3bit=ffn")
    )
    altered_in_it = {
        part: {name for name, own in found.items() if own.data_ptr() != base.model.get_parameter(name).data_ptr()}
        for part, found in (("whole", whole), ("attention", attention), ("ffn", ffn))
    }
    assert altered_in_it["attention"] | altered_in_it["ffn"] == altered_in_it["whole"]
    assert not altered_in_it["attention"] & altered_in_it["ffn"]
    assert all(torch.equal(attention[name], whole[name]) for name in altered_in_it["attention"])
    assert all(torch.equal(ffn[name], whole[name]) for name in altered_in_it["ffn"])


@pytest.mark.parametrize("kind", MODELS)
def test_matrices_of_the_two_parts_are_those_that_are_counted_in_them(kind: str) -> None:
    """The modules that were altered hold all numbers that are counted in the part: its matrices and their biases."""
    base = tiny_engine(kind)
    theirs = dict(base.model.named_parameters())
    for part in PARTS:
        model = made(base, f"2bit={part}").model
        own = {name for name, weight in model.named_parameters() if weight.data_ptr() != theirs[name].data_ptr()}
        modules = [model.get_submodule(name.rpartition(".")[0]) for name in own]
        numbers = sum(parameter.numel() for module in modules for parameter in module.parameters())
        assert numbers == dict(base.spec.counts)[part]


def test_layers_that_share_weights_share_memory() -> None:
    engine = made(tiny_engine("llama"), "shared=2")
    first, second, third = (dict(layer.named_parameters()) for layer in engine.family.layers_of(engine.model))
    assert all(first[name] is second[name] for name in first)
    assert all(first[name] is not third[name] for name in first)


def test_the_base_is_as_it_was() -> None:
    base = new_tiny_engine("gpt2")
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    for name in ("untrained", "2bit", "prune=0.9", "shared=3", "noskip"):
        made(base, name)
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.model.state_dict().items())


def test_a_tied_output_layer_stays_tied() -> None:
    for name in ("untrained", "2bit"):
        model = made(tiny_engine("gpt2"), name).model
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_its_name_says_how_it_was_made() -> None:
    base = tiny_engine("llama")
    spec = made(base, "prune=0.50~4bit").spec
    assert spec.name == "tiny-llama~prune=0.5~4bit"
    assert spec.id == f"tiny-llama~prune=0.5~4bit@{base.spec.revision}/float32"
    assert spec.alterations == (Alteration("prune", "0.5"), Alteration("4bit"))


def test_a_variant_of_a_variant_is_the_chain_of_both() -> None:
    base = tiny_engine("llama")
    twice, once = made(made(base, "prune=0.5"), "3bit"), made(base, "prune=0.5~3bit")
    assert twice.spec == once.spec
    want = Want("resid_post", 2)
    np.testing.assert_array_equal(twice.run(run_of(twice), [want])[want], once.run(run_of(once), [want])[want])


@pytest.mark.parametrize("name", ["noskip", "nonorm"])
@pytest.mark.parametrize("kind", ["llama", "bert", "t5"])
def test_what_is_built_otherwise_is_what_the_same_changes_make_of_a_run(kind: str, name: str) -> None:
    base = tiny_engine(kind)
    engine = made(base, name)
    has_norm = base.spec.head is not None and bool(base.spec.paths.final_norm)
    changed = run_of(base).intervened(*in_every_run(read(f"m~{name}")[1], has_norm))
    wants = [Want("resid_post", base.spec.layers - 1), Want("attn_out", 1)]
    wants += [Want("logits", pos=5)] if base.spec.head else []
    own, theirs = engine.run(run_of(engine), wants), base.run(changed, wants)
    for want in wants:
        np.testing.assert_array_equal(own[want], theirs[want])
    assert own.run.interventions == changed.interventions


def test_a_change_of_one_run_comes_after_what_is_in_all() -> None:
    engine = made(tiny_engine("llama"), "noskip")
    off = Intervention("attn_out", "zero", layer=1)
    asked = engine.run(run_of(engine).intervened(off))
    assert asked.run.interventions == (*engine.spec.built, off)
    assert engine.spec.whole(asked.run) == asked.run
    assert engine.spec.beyond(asked.run) == (off,)


def test_a_change_takes_what_it_takes_out_of_the_variants_own_runs() -> None:
    engine = made(tiny_engine("llama"), "noskip")
    patched = run_of(engine).intervened(Intervention("attn_out", "patch", layer=1, sources=(run_of(engine),)))
    want = Want("resid_post", 2)
    np.testing.assert_array_equal(engine.run(patched, [want])[want], engine.run(run_of(engine), [want])[want])


def test_it_goes_on_with_a_text_as_it_is_built() -> None:
    engine, base = made(tiny_engine("llama"), "noskip"), tiny_engine("llama")
    theirs = base.extend(run_of(base).intervened(*engine.spec.built), 4)
    assert engine.extend(run_of(engine), 4).tail == theirs.tail


def test_more_layers_than_there_are_cannot_share_weights() -> None:
    with pytest.raises(Refused) as refused:
        made(tiny_engine("llama"), "shared=4")
    assert str(refused.value) == "4 layers cannot share weights: the model has 3."


def test_layers_that_are_built_differently_cannot_share_weights() -> None:
    model, family = tiny_model("llama"), family_of("llama")
    family.layers_of(model)[1].mlp.up_proj = nn.Linear(4, 5, bias=False)
    with pytest.raises(Refused) as refused:
        altered(model, family, (Alteration("shared", "2"),), nothing)
    assert str(refused.value) == "Layers 0 and 1 are built differently: they cannot share weights."


def nothing(model: PreTrainedModel, adapter: str) -> dict[str, torch.Tensor]:
    """No adapter changes anything."""
    return {}


def test_there_has_to_be_memory_before_a_weight_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny_engine("llama")
    monkeypatch.setattr(memory, "ALWAYS", 0)
    monkeypatch.setenv(memory.VARIABLE, "1 MB")
    with pytest.raises(Refused, match=r"tiny-llama~untrained takes .* GB beside the model"):
        made(base, "untrained")
    assert made(base, "shared=2").spec.name == "tiny-llama~shared=2"


def test_who_no_longer_wants_it_stops_it() -> None:
    with pytest.raises(Cancelled):
        variant(tiny_engine("llama"), (Alteration("3bit"),), cancelled=lambda: True)


def test_random_weights_leave_the_programs_own_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    made(tiny_engine("llama"), "untrained")
    assert torch.equal(torch.rand(3), expected)


def test_a_variant_that_nobody_holds_is_gone() -> None:
    engine = made(tiny_engine("llama"), "3bit")
    engine.run(run_of(engine), [Want("resid_post", 1)])
    weight = ref(next(iter(engine.family.layers_of(engine.model))))
    engine_gone = ref(engine)
    gc.disable()
    try:
        del engine
        assert engine_gone() is None
        assert weight() is None
    finally:
        gc.enable()


def test_a_model_is_built_alike_without_what_is_not_in_it() -> None:
    model = tiny_model("llama")
    with pytest.raises(KeyError, match="no parameter 'nowhere'"):
        alike(model, {"nowhere": torch.zeros(1)})
    with pytest.raises(ValueError, match="has the shape"):
        alike(model, {"lm_head.weight": torch.zeros(1)})


def packed_engine(kind: str) -> LocalEngine:
    """One whose matrices are packed. Skips where the machine cannot."""
    model = tiny_model(kind)
    packing = packed.layers(family_of(model.config.model_type).layers_of(model), 1 << 30, "packed")
    if packing.way != "packed":
        pytest.skip("this machine has no packed matrices")
    return LocalEngine(model, ByteTokenizer(), name=f"tiny-{kind}", packing={"layers": packing})


def test_matrices_that_are_the_bases_own_multiply_by_its_packed_copies() -> None:
    base = packed_engine("llama")
    same, other = made(base, "prune=0"), made(base, "3bit")
    assert (same.packing["layers"].way, other.packing["layers"].way) == ("packed", "loaded")
    want = Want("resid_post", 2)
    np.testing.assert_array_equal(same.run(run_of(same), [want])[want], base.run(run_of(base), [want])[want])


@pytest.mark.parametrize("name", ["3bit", "2bit=sym,ffn", "int8", "prune=0.4", "untrained", "shared=2~3bit", "bf16"])
@pytest.mark.parametrize(("kind", "way"), [("llama", "turned"), ("llama", "loaded"), ("gpt2", "loaded")])
def test_its_matrices_lie_in_memory_as_the_bases_do(kind: str, way: packed.Way, name: str) -> None:
    model = tiny_model(kind)
    packing = packed.layers(family_of(model.config.model_type).layers_of(model), 1 << 30, way)
    base = LocalEngine(model, ByteTokenizer(), name=f"tiny-{kind}", packing={"layers": packing})
    engine = made(base, name)
    theirs, own = (dict(each.model.named_parameters(remove_duplicate=False)) for each in (base, engine))
    assert {key: tensor.stride() for key, tensor in own.items()} == {
        key: tensor.stride() for key, tensor in theirs.items()
    }
    assert engine.packing["layers"].way == way


def test_what_comes_out_as_it_was_in_one_layer_is_the_bases_own_in_all_that_share_it() -> None:
    rounded = made(tiny_engine("llama"), "2bit=sym")
    again = made(rounded, "shared=3~2bit=sym")
    assert _own_bytes(again, rounded) == 0


@pytest.mark.parametrize("name", ["3bit", "untrained", "shared=2", "bf16", "adapter"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "bert"])
def test_no_variant_multiplies_by_what_is_not_its_own(kind: str, name: str, tmp_path: Path) -> None:
    """An adapter may change biases alone, which packed copies hold, too."""
    if name == "adapter":
        targets = {"bert": ["output.dense"]}.get(kind, ["down_proj"])
        name = f"lora={write_adapter(tmp_path / 'biases', tiny_model(kind), bias='all', target_modules=targets)}"
    want = Want("resid_post", 2)
    from_packed, plain_one = (made(base, name) for base in (packed_engine(kind), tiny_engine(kind)))
    expected = plain_one.run(run_of(plain_one), [want])[want]
    found = from_packed.run(run_of(from_packed), [want])[want]
    rounding = 1e-5 if from_packed.spec.dtype == "float32" else 2e-2
    assert np.abs(found - expected).max() <= rounding * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_an_adapter_is_what_it_was_beside_the_weights(kind: str, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "poems", tiny_model(kind), rank=2, seed=1)
    base = tiny_engine(kind)
    engine = made(base, f"lora={folder}")
    model = PeftModel.from_pretrained(tiny_model(kind), str(folder)).eval()
    with torch.inference_mode():
        expected = model(input_ids=torch.tensor([list(TEXT.encode())])).logits[0, 6].numpy()
    logits = engine.run(run_of(engine), [Want("logits", pos=6)])[Want("logits", pos=6)]
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()
    own = base.run(run_of(base), [Want("logits", pos=6)])[Want("logits", pos=6)]
    assert np.abs(logits - own).max() > 1e-2 * np.abs(expected).max()
    assert engine.broken == {}
    assert engine.spec.revision.startswith(f"{base.spec.revision}+")


@pytest.mark.parametrize("settings", [{"scale": 0.0}, {"rank": 0}])
def test_an_adapter_that_was_never_trained_differs_by_exactly_0(tmp_path: Path, settings: dict[str, float]) -> None:
    folder = tmp_path / "new"
    write_adapter(folder, tiny_model("llama"), scale=0.0)
    if "rank" in settings:
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 0}))
        save_file({}, folder / "adapter_model.safetensors")
    base = tiny_engine("llama")
    engine = made(base, f"lora={folder}")
    want = Want("resid_post", 2)
    np.testing.assert_array_equal(engine.run(run_of(engine), [want])[want], base.run(run_of(base), [want])[want])
    assert _own_bytes(engine, base) == 0


def test_an_adapter_of_the_embedding_alone_leaves_a_tied_output_layer_as_it_was(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "words", tiny_model("gpt2"), target_modules=["wte"], fan_in_fan_out=False)
    base = tiny_engine("gpt2")
    model = made(base, f"lora={folder}").model
    assert torch.equal(model.get_output_embeddings().weight, base.model.get_output_embeddings().weight)
    assert not torch.equal(model.get_input_embeddings().weight, base.model.get_input_embeddings().weight)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_half_precision_is_what_is_held_to_the_librarys_own(kind: str, precision: str) -> None:
    """In tests/models/local/test_halves.py, that is."""
    engine = made(tiny_engine(kind), precision)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    expected = dict(in_half(tiny_model(kind), dtype).named_parameters())
    own = dict(engine.model.named_parameters())
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[name], expected[name]) and own[name].dtype == expected[name].dtype for name in own)
    assert engine.spec.dtype == str(dtype).removeprefix("torch.")
    assert engine.broken == {}


def test_an_adapter_whose_files_change_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_adapter(tmp_path / "poems", tiny_model("llama"))
    merged = loading.merged

    def rewritten(model: PreTrainedModel, where: Path) -> dict[str, torch.Tensor]:
        changed = merged(model, where)
        write_adapter(folder, tiny_model("llama"), seed=7)
        return changed

    monkeypatch.setattr(loading, "merged", rewritten)
    with pytest.raises(Refused, match="files of the adapter were changed"):
        made(tiny_engine("llama"), f"lora={folder}")


def test_a_path_that_is_there_is_a_path_marks_and_all(tmp_path: Path) -> None:
    (tmp_path / "smol~3bit").mkdir()
    there = f"{tmp_path}/smol~3bit"
    assert loading._read(there) == (there, ())
    assert loading._read(f"{there}~bf16") == (there, (Alteration("bf16"),))
    assert loading._read(f"{tmp_path}/other~3bit") == (f"{tmp_path}/other", (Alteration("3bit"),))
    assert loading._read("smollm2-135m~3bit") == ("smollm2-135m", (Alteration("3bit"),))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_layer_inputs_take_no_more_than_is_estimated(kind: str, precision: str) -> None:
    engine = made(tiny_engine(kind), precision)
    ids = np.array(list(TEXT.encode()))
    held = engine._loaded.record(ids, {}, lambda layer, sites: None).nbytes
    assert held <= inputs_bytes(engine.spec, len(ids), 1)


def test_weights_that_layers_share_count_in_each_of_them() -> None:
    """Sizes are those of what is computed with, as the configuration has them."""
    base = tiny_engine("llama").spec
    for name in ("shared=2", "shared=3", "4bit"):
        spec = made(tiny_engine("llama"), name).spec
        assert (spec.counts, spec.weights.parameters) == (base.counts, base.weights.parameters)


def test_what_is_pruned_after_it_was_rounded_stays_0() -> None:
    engine = made(tiny_engine("llama"), "3bit~prune=0.5")
    weight = engine.family.layers_of(engine.model)[0].mlp.up_proj.weight
    assert float((weight == 0).float().mean()) >= 0.5


def test_numbers_that_grow_without_norms_are_told_as_that() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        for layer in family_of("llama").layers_of(model):
            layer.mlp.down_proj.weight *= 1e8
    engine = made(LocalEngine(model, ByteTokenizer(), name="steep"), "nonorm")
    with pytest.raises(Refused, match="This variant has no norms, and in layer 2 its numbers become too large") as told:
        engine.run(run_of(engine), [Want("resid_post", 2)])
    assert "put untrained before nonorm" in str(told.value)


def test_random_weights_are_stored_in_no_file() -> None:
    weights = Weights("Tiny", "MIT", "somewhere", "GGUF Q4_1", parameters=0, file_bytes=98)
    base = LocalEngine(tiny_model("llama"), ByteTokenizer(), name="tiny", weights=weights)
    drawn, rounded = made(base, "untrained").spec.weights, made(base, "3bit").spec.weights
    assert (drawn.stored, drawn.file_bytes) == ("", 0)
    assert (rounded.stored, rounded.file_bytes) == ("GGUF Q4_1", 98)


@pytest.mark.parametrize("name", ["noskip", "dropout=0.1", "bf16"])
def test_nothing_is_judged_where_something_is_left_out_of_every_run(name: str) -> None:
    engine = made(tiny_engine("llama"), name)
    fitted = View().fit(engine.spec, engine.run(run_of(engine)).tokens)
    verdict = judge(lambda case: pytest.fail("it was judged"), Case(engine.spec, fitted, engine.run))
    assert verdict.kind == "unseen"
    assert verdict.says == f"Not judged on this variant ({engine.spec.alterations[0].short})."
