"""Whatever is in a checkpoint's files: it opens rightly, or a sentence names the file and says what would work."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    utils,
)

from anatomy.refused import Refused, Sentence
from models import memory
from models.checkpoints import headers
from models.checkpoints.errors import WeightsError
from models.checkpoints.headers import worked_out
from models.checkpoints.locate import locate
from models.loaded.judged import judge, judge_configuration
from models.loaded.load import load_model
from tests.models.checkpoints.spoiling import (
    INDEX,
    MARK,
    PAGE,
    POINTER,
    WEIGHTS,
    Spoiler,
    Tensors,
    both,
    changed,
    content,
    header,
    only,
    read_object,
    setting,
    shards,
    tensors,
    with_header,
    without_setting,
)

IDS = torch.tensor([[5, 17, 40, 3]])
Q = "model.layers.0.self_attn.q_proj.weight"
NEW_LLAMA = LlamaConfig(
    vocab_size=48,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=None,
    eos_token_id=None,
    initializer_range=0.3,
)


def _save(model: PreTrainedModel, folder: Path) -> Path:
    """The folder of a model, with a tokenizer that nobody reads here."""
    assert model.num_parameters() < 50_000
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers, as the library saves it."""
    torch.manual_seed(0)
    utils.logging.set_verbosity_error()
    return _save(LlamaForCausalLM(NEW_LLAMA), tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(whole, tmp_path / "checkpoint"))


def _opened(folder: Path) -> PreTrainedModel:
    return load_model(locate(str(folder)).folder, attn_implementation="eager")


def _logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(IDS)[0]


def _is_tied(model: PreTrainedModel) -> bool:
    """Does the head multiply by the embedding table itself?"""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    assert head is not None
    return head.get_parameter("weight").data_ptr() == table.get_parameter("weight").data_ptr()


def _doubled(name: str, other: str) -> Callable[[Tensors], object]:
    return lambda held: held.update({other: held[name].clone()})


def _integers(held: Tensors) -> None:
    scale = held[Q].abs().amax() / 127
    held[Q + "_scale"] = scale[None]
    held[Q] = (held[Q] / scale).round().to(torch.int8)


def _fp8(held: Tensors) -> None:
    held.update({name: tensor.to(torch.float8_e4m3fn) for name, tensor in held.items() if "proj" in name})


def _renamed(name: str, other: str) -> Callable[[dict], object]:
    return lambda facts: facts.update({other: facts.pop(name)})


def _twice_in_two_files(folder: Path) -> None:
    """A tensor that both shards hold."""
    shards()(folder)
    first, second = sorted(folder.glob("model-*.safetensors"))
    moved = read_object(folder / INDEX)["weight_map"]
    shutil.copy(first, second)
    named = {name: (first if place == first.name else second).name for name, place in moved.items()}
    (folder / INDEX).write_text(json.dumps({"weight_map": named}))


def _nested(_raw: bytes) -> bytes:
    return b'{"model_type":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def _added_shard(folder: Path) -> None:
    shards()(folder)
    shutil.copy(folder / "model-00001-of-00002.safetensors", folder / "model-00003-of-00002.safetensors")


def _two_sets(folder: Path) -> None:
    kept = (folder / WEIGHTS).read_bytes()
    shards()(folder)
    (folder / WEIGHTS).write_bytes(kept)


def _long_header(raw: bytes) -> bytes:
    return (1 << 40).to_bytes(8, "little") + raw[8:]


def _named_twice(raw: bytes) -> bytes:
    length = int.from_bytes(raw[:8], "little")
    text = raw[8 : 8 + length].replace(b"model.norm.weight", b"model.layers.0.input_layernorm.weight")
    return len(text).to_bytes(8, "little") + text + raw[8 + length :]


BEFORE: dict[str, tuple[Spoiler, str]] = {
    # What there is in place of weights
    "no file": (only(), "there are no files in it"),
    "no weights": (only("config.json", "tokenizer.json"), "has no model.safetensors and no model.safetensors.index"),
    "a pickle": (only("config.json", "pytorch_model.bin"), r"as a pickle \(pytorch_model.bin\).*spaces/safetensors"),
    "a pickle of training": (only("config.json", "training_args.bin"), "has no model.safetensors and no"),
    "ONNX": (only("config.json", "model.onnx"), r"another format \(ONNX: model.onnx\)"),
    "Keras": (only("config.json", "tf_model.h5"), r"TensorFlow/Keras \(H5\): tf_model.h5"),
    "Flax": (only("config.json", "flax_model.msgpack"), "Flax"),
    "TensorFlow": (only("bert_config.json", "bert_model.ckpt.index"), "a TensorFlow checkpoint: bert_model.ckpt.index"),
    "MLX arrays": (only("config.json", "weights.npz"), "NumPy arrays"),
    "OpenVINO": (only("config.json", "openvino_model.bin"), "OpenVINO"),
    "two GGUF files": (only("a.gguf", "b.gguf"), "holds 2 GGUF files; give the path of one"),
    "an adapter alone": (only("adapter_config.json", "adapter_model.safetensors"), "is an adapter .*merge_and_unload"),
    "shards without index": (
        only("config.json", "model-00001-of-00002.safetensors"),
        "no model.safetensors.index.json",
    ),
    "another file name": (only("config.json", "weights.safetensors"), "it has weights.safetensors, and no model.safe"),
    "a broken download": (only("config.json", "model.safetensors.incomplete"), "download was broken off"),
    "weights one folder below": (only("checkpoint-500/model.safetensors"), "in the folder checkpoint-500 inside of it"),
    # What stands beside them
    "an adapter beside": (content("adapter_model.safetensors", b""), "an adapter .* would not be used. Merge it"),
    "an adapter's settings beside": (content("adapter_config.json", b"{}"), "adapter_config.json.* beside the model"),
    "GPTQ's settings beside": (content("quantize_config.json", b"{}"), "quantized with GPTQ .it has quantize_config"),
    "ModelOpt's settings beside": (content("hf_quant_config.json", b"{}"), "quantized with ModelOpt"),
    "no tokenizer": (
        lambda folder: (folder / "tokenizer.json").unlink(),
        "has no tokenizer: .*vocab.json \\+ merges.txt, vocab.txt",
    ),
    "no config.json": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "a broken generation config": (content("generation_config.json", b"{"), "generation_config.json is no valid JSON"),
    # config.json as a file
    "config: cut off": (changed("config.json", lambda raw: raw[:200]), "config.json is no valid JSON.*fetch it again"),
    "config: pointer": (content("config.json", POINTER), "config.json is a Git LFS pointer.*git lfs pull"),
    "config: web page": (content("config.json", PAGE), "config.json is a web page"),
    "config: empty": (content("config.json", b""), "config.json is empty"),
    "config: Latin-1": (content("config.json", b'{"a": "\xe9"}'), "config.json is not in UTF-8"),
    "config: byte order mark": (changed("config.json", lambda raw: MARK + raw), "byte order mark.*save it without one"),
    "config: a list": (content("config.json", b"[]"), "config.json holds no JSON object but array"),
    "config: null": (content("config.json", b"null"), "config.json holds no JSON object but null"),
    "config: nested": (changed("config.json", _nested), "config.json is nested too deeply"),
    "config: half a character": (setting(dtype="\ud800"), "config.json holds half of a character"),
    "config: a folder": (
        lambda folder: ((folder / "config.json").unlink(), (folder / "config.json").mkdir()),
        "config.json cannot be read",
    ),
    # The type
    "no type": (without_setting("model_type"), "does not say of which type the model is"),
    "a type that is a number": (setting(model_type=3), "gives “model_type” as 3"),
    "architectures that are numbers": (setting(architectures=[1]), "gives “architectures” as"),
    # Quantization
    "bitsandbytes": (setting(quantization_config={"load_in_4bit": True}), "quantized with bitsandbytes"),
    "gptq": (setting(quantization_config={"quant_method": "gptq", "bits": 4}), "quantized with gptq"),
    "hqq": (setting(quantization_config={"quant_method": "hqq"}), "quantized with hqq"),
    "a quantization without a name": (setting(quantization_config={}), "quantized with a method that it does not name"),
    "a quantization that is a text": (setting(quantization_config="int8"), "quantized with a method that it does not"),
    "MLX": (setting(quantization={"group_size": 64, "bits": 4}), "quantized with MLX"),
    "compressed tensors": (setting(compression_config={"quant_method": "compressed-tensors"}), "compressed-tensors"),
    "of an inner model": (setting(text_config={"quantization_config": {"quant_method": "awq"}}), "quantized with awq"),
    "other weights": (setting(transformers_weights="other.safetensors"), "setting “transformers_weights”"),
    # Sizes
    "size: text": (setting(hidden_size="16"), "gives “hidden_size” as 16: it has to be a whole number"),
    "size: zero": (setting(num_attention_heads=0), "gives “num_attention_heads” as 0"),
    "size: negative": (setting(vocab_size=-48), "gives “vocab_size” as -48"),
    "size: huge": (setting(num_hidden_layers=10**12), "gives “num_hidden_layers” as 1000000000000"),
    "size: a million layers": (setting(num_hidden_layers=10**6), "has to be a whole number from 1 to 1,000"),
    "size: a window": (setting(sliding_window=0), "gives “sliding_window” as 0"),
    "size: labels": (setting(num_labels=10**12), "gives “num_labels” as 1000000000000"),
    "size: fraction": (setting(intermediate_size=24.5), "gives “intermediate_size” as 24.5"),
    "size: true": (setting(num_hidden_layers=True), "gives “num_hidden_layers” as True"),
    "size: a list": (setting(max_position_embeddings=[64]), "gives “max_position_embeddings”"),
    # The weights as files
    "weights: pointer": (content(WEIGHTS, POINTER), "model.safetensors is a Git LFS pointer.*git lfs pull"),
    "weights: web page": (content(WEIGHTS, PAGE), "model.safetensors is a web page"),
    "weights: empty": (content(WEIGHTS, b""), "model.safetensors is empty"),
    "weights: zeros": (content(WEIGHTS, bytes(100)), "model.safetensors is damaged"),
    "weights: cut off": (changed(WEIGHTS, lambda raw: raw[:-100]), r"is cut off: [\d,]+ of [\d,]+ bytes"),
    "weights: longer": (changed(WEIGHTS, lambda raw: raw + b"12"), "model.safetensors is damaged"),
    "weights: a long header": (
        changed(WEIGHTS, _long_header),
        "model.safetensors is damaged.*its header would have 1099511627776",
    ),
    "weights: one name twice": (changed(WEIGHTS, _named_twice), "is damaged.*a name stands twice"),
    "header: offsets": (header(lambda facts: facts[Q].update(data_offsets=[8, 4])), "is damaged.*q_proj"),
    "header: a shape of text": (header(lambda facts: facts[Q].update(shape="16")), "is damaged.*q_proj"),
    "header: negative": (header(lambda facts: facts[Q].update(shape=[-16, -16])), "is damaged.*q_proj"),
    "header: a gap": (header(lambda facts: facts.pop(Q)), "model.safetensors is damaged"),
    "header: null": (header(lambda facts: facts.update({Q: None})), "is damaged.*q_proj"),
    # How the numbers are stored
    "int8 with a scale": (tensors(_integers), "q_proj.weight as I8: the checkpoint is quantized"),
    "FP8": (tensors(_fp8), "as F8_E4M3: the checkpoint is quantized"),
    "an unknown kind": (header(lambda facts: facts[Q].update(dtype="F4")), "as F4: the checkpoint is quantized"),
    # Several files
    "index: cut off": (both(shards(), content(INDEX, b"{")), "index.json is no valid JSON"),
    "index: no map": (shards(change=lambda index: index.pop("weight_map")), "has no “weight_map”"),
    "index: a list": (shards(change=lambda index: index.update(weight_map=[1])), "has no “weight_map”"),
    "index: elsewhere": (shards(change=lambda index: index["weight_map"].update(a="../b.safetensors")), "no .* beside"),
    "index: a number": (shards(change=lambda index: index["weight_map"].update(a=1)), "says that a is in 1"),
    "index: a missing file": (
        shards(change=lambda index: index["weight_map"].update(a="model-3.safetensors")),
        r"1 of 3 weight files are missing \(model-3.safetensors\)",
    ),
    "index: a missing tensor": (
        shards(change=lambda index: index["weight_map"].update(a="model-00001-of-00002.safetensors")),
        "says that model-00001-of-00002.safetensors holds the tensor a, and it does not",
    ),
    "two files, one tensor": (_twice_in_two_files, "both hold the tensor"),
    "one file too many": (_added_shard, "holds model-00003-of-00002.safetensors, which is not among"),
    "two sets of weights": (_two_sets, "holds two sets of weights"),
}

# What takes the library's model to see: the folder looks like a checkpoint.
LATER: dict[str, tuple[Spoiler, str]] = {
    "a type that nobody knows": (setting(model_type="llamarama"), "which transformers .* does not know"),
    "code of its own": (
        setting(model_type="own", auto_map={"AutoModelForCausalLM": "modeling.Own"}),
        "does not run code out of a checkpoint",
    ),
    "a type not opened yet": (setting(model_type="falcon"), "Models of type “falcon” cannot be opened yet. These can"),
    "no architecture": (setting(architectures=None), "without an architecture"),
    "an architecture of another type": (setting(architectures=["GPT2LMHeadModel"]), "which do not belong together"),
    "a classifier": (setting(architectures=["LlamaForSequenceClassification"]), "a LlamaForSequenceClassification"),
    "heads with a rest": (both(without_setting("head_dim"), setting(num_attention_heads=3)), "config.json .*heads"),
    "keys with a rest": (setting(num_key_value_heads=3), "4 query heads share 3 key heads unevenly"),
    "odd heads": (setting(head_dim=5), "config.json cannot be used .*even rotary dimension"),
    "an unknown activation": (setting(hidden_act="swishy"), "activation swishy, which transformers .* It has: .*silu"),
    "an activation of numbers": (setting(hidden_act=[1]), "config.json"),
    "an unknown rotation": (
        setting(rope_parameters={"rope_type": "spiral", "rope_theta": 1e4}),
        "rope_type spiral, which transformers",
    ),
    "a rotation without its numbers": (
        setting(rope_parameters={"rope_type": "yarn", "rope_theta": 1e4}),
        "config.json cannot be used",
    ),
    "a rotation of text": (setting(rope_parameters="yarn"), "config.json"),
    "a norm's size of text": (setting(rms_norm_eps="small"), "config.json cannot be used"),
    "another width": (setting(intermediate_size=32), r"has the shape \d+ × \d+; config.json makes it .*32"),
    "another vocabulary": (setting(vocab_size=10**9), r"has the shape 48 × 16; config.json makes it 1000000000 × 16"),
    "more layers in the file": (setting(num_hidden_layers=1), r"hold 9 tensors .* no place for \(model.layers.1"),
    "more layers in config.json": (setting(num_hidden_layers=3), r"lack parameters of the model \(9: model\.layers\.2"),
    "norms of queries (Qwen3)": (
        tensors(lambda held: held.update({"model.layers.0.self_attn.q_norm.weight": torch.ones(4)})),
        "no place for .*q_norm.weight",
    ),
    "biases that are switched off": (
        tensors(lambda held: held.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(16)})),
        "no place for .*q_proj.bias",
    ),
    "a name misspelt": (header(_renamed(Q, Q.replace("q_proj", "q_porj"))), "no place for .*q_porj"),
    "a scale in floats": (
        tensors(lambda held: held.update({Q + "_scale": torch.ones(1)})),
        "no place for .*q_proj.weight_scale",
    ),
    "one parameter in two tensors": (
        tensors(_doubled("model.norm.weight", "norm.weight")),
        "two tensors for one parameter",
    ),
    "a shape turned": (
        tensors(lambda held: held.update({"model.layers.0.mlp.up_proj.weight": torch.ones(16, 24)})),
        r"up_proj.weight in .*model.safetensors has the shape 16 × 24; config.json makes it 24 × 16",
    ),
    "a vocabulary of one": (setting(vocab_size=1), "config.json describes a vocabulary of one token"),
    "a number that is none": (
        setting(rope_parameters={"rope_type": "default", "rope_theta": float("inf")}),
        "config.json gives “rope_theta” as no number",
    ),
    "layers of their own": (setting(per_layer_config={"1": {"hidden_act": "relu"}}), "setting “per_layer_config”"),
    "an end that is no token": (
        content("generation_config.json", b'{"eos_token_id": 1.0}'),
        "generation_config.json gives “eos_token_id” as 1.0: it has to be a token's number",
    ),
    "a file without weights": (
        content(WEIGHTS, (2).to_bytes(8, "little") + b"{}"),
        "lack parameters of the model .21",
    ),
}


@pytest.mark.parametrize("damage", BEFORE)
def test_what_the_small_files_and_headers_tell_is_refused_where_the_checkpoint_is_looked_for(
    folder: Path, damage: str
) -> None:
    spoil, sentence = BEFORE[damage]
    spoil(folder)
    with pytest.raises(WeightsError, match=f"(?s){sentence}") as refused:
        locate(str(folder))
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("damage", LATER)
def test_what_takes_the_librarys_model_to_see_is_refused_before_weights_are_read(
    folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, sentence = LATER[damage]
    spoil(folder)
    monkeypatch.setattr(PreTrainedModel, "from_pretrained", lambda *given, **named: pytest.fail("weights are read"))
    with pytest.raises(Refused, match=f"(?s){sentence}"):
        _opened(folder)


def test_the_whole_checkpoint_opens_as_the_library_runs_it(folder: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    assert torch.equal(_logits(_opened(folder)), _logits(plain))


@pytest.mark.parametrize(
    "pattern", ["model-{:05}-of-{:05}.safetensors", "model.safetensors-{:05}-of-{:05}.safetensors"]
)
def test_weights_in_several_files_are_the_same_weights(folder: Path, pattern: str) -> None:
    before = _logits(_opened(folder))
    shards(3, pattern=pattern)(folder)
    assert torch.equal(_logits(_opened(folder)), before)


@pytest.mark.parametrize(
    "spoil",
    [
        content("consolidated.safetensors", b"the same weights, as other programs want them"),
        content("model.fp16.safetensors", b"the same weights in other numbers"),
        content("pytorch_model.bin", b"the same weights in a pickle"),
        content("training_args.bin", b"what they were trained with"),
        content(INDEX, json.dumps({"weight_map": {Q: WEIGHTS}}).encode()),
        setting(output_attentions=True, output_hidden_states=True, return_dict=False),
        setting(auto_map={"AutoModelForCausalLM": "modeling.Own"}),
        content("modeling.py", b"raise SystemExit('not to be run')"),
        tensors(lambda held: held.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)})),
        tensors(lambda held: held.update({name: tensor.double() for name, tensor in held.items()})),
    ],
)
def test_what_changes_no_number_changes_none(folder: Path, spoil: Spoiler) -> None:
    before = _logits(_opened(folder))
    spoil(folder)
    assert torch.equal(_logits(_opened(folder)), before)


@pytest.mark.parametrize(("kind", "word"), [(torch.float64, "float64"), (torch.bfloat16, "bfloat16")])
def test_what_was_stored_in_other_numbers_is_said_and_computed_in_float32(
    folder: Path, kind: torch.dtype, word: str
) -> None:
    tensors(lambda held: held.update({name: tensor.to(kind) for name, tensor in held.items()}))(folder)
    assert locate(str(folder)).stored == f"safetensors, {word}"
    assert _opened(folder).dtype == torch.float32


def test_a_head_of_its_own_is_used_although_config_json_calls_it_tied(folder: Path) -> None:
    before = _opened(folder)
    setting(tie_word_embeddings=True)(folder)
    model = _opened(folder)
    assert torch.equal(_logits(model), _logits(before))
    assert not _is_tied(model)


def test_a_tied_head_needs_no_tensor_of_its_own(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=48, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=0)
    folder = _save(GPT2LMHeadModel(config), tmp_path / "gpt2")
    tensors(lambda held: held.pop("lm_head.weight", None))(folder)
    model = _opened(folder)
    assert _is_tied(model)


def test_masks_of_an_old_gpt2_are_left_out_and_a_bias_of_that_name_is_not(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=48, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=0)
    folder = _save(GPT2LMHeadModel(config), tmp_path / "gpt2")
    before = _logits(_opened(folder))
    masks = {"h.0.attn.bias": torch.ones(1, 1, 16, 16, dtype=torch.uint8), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    tensors(lambda held: held.update(masks))(folder)
    assert torch.equal(_logits(_opened(folder)), before)
    tensors(lambda held: held.update({"h.0.attn.bias": torch.ones(16)}))(folder)
    with pytest.raises(WeightsError, match=r"no place for .*attn.bias"):
        _opened(folder)


def test_bert_leaves_out_what_belongs_to_its_other_task_and_nothing_else(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=48, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)
    folder = _save(BertForPreTraining(config), tmp_path / "bert")
    setting(architectures=["BertForMaskedLM"])(folder)
    old_names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def age(held: Tensors) -> None:
        held["bert.embeddings.position_ids"] = torch.arange(512)[None]
        for name in list(held):
            for new, old in old_names.items():
                if name.endswith(new):
                    held[name.replace(new, old)] = held.pop(name)

    plain = BertForMaskedLM.from_pretrained(folder, attn_implementation="eager")
    tensors(age)(folder)
    assert torch.equal(_logits(_opened(folder)), _logits(plain))
    tensors(lambda held: held.update({"bert.encoder.layer.0.adapter.weight": torch.ones(4)}))(folder)
    with pytest.raises(WeightsError, match=r"no place for .*adapter"):
        _opened(folder)


def test_t5_opens_its_encoder_and_leaves_out_the_decoder_alone(tmp_path: Path) -> None:
    config = T5Config(vocab_size=48, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2)
    config.tie_word_embeddings = False
    folder = _save(T5ForConditionalGeneration(config), tmp_path / "t5")
    before = _logits(_opened(folder))
    assert before.shape == (1, 4, 16)
    tensors(lambda held: held.update({"encoder.block.0.layer.0.SelfAttention.gate": torch.ones(4)}))(folder)
    with pytest.raises(WeightsError, match=r"no place for .*SelfAttention.gate"):
        _opened(folder)


@pytest.mark.parametrize(
    ("name", "shape", "follows"),
    [
        ("model.layers.0.self_attn.rotary_emb.inv_freq", (2,), True),
        ("h.0.attn.bias", (1, 1, 16, 16), True),
        ("h.0.attn.bias", (16,), False),
        ("transformer.h.0.attn.masked_bias", (), True),
        ("bert.embeddings.position_ids", (1, 512), True),
        ("embeddings.position_embeddings", (1, 512), False),
        ("model.layers.0.self_attn.inv_freq", (2,), False),
    ],
)
def test_only_tables_that_follow_from_the_configuration_count_as_such(
    name: str, shape: tuple[int, ...], follows: bool
) -> None:
    assert worked_out(name, shape) == follows


def test_headers_are_read_once_to_find_a_checkpoint_and_once_to_load_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    whole = headers.header

    def counted(file: Path) -> dict[str, headers.Stored]:
        read.append(file)
        return whole(file)

    monkeypatch.setattr(headers, "header", counted)
    located = locate(str(folder))
    assert read == [folder / WEIGHTS]
    judge(located.folder)
    assert read == [folder / WEIGHTS] * 2


def test_a_parameter_of_one_number_is_told_in_the_readers_language(folder: Path) -> None:
    tensors(lambda held: held.update({"model.norm.weight": torch.tensor(1.0)}))(folder)
    with pytest.raises(WeightsError, match=r"model\.norm\.weight .* has the shape of a single number") as refused:
        judge(folder)
    assert isinstance(refused.value.values["stored"], Sentence)


def test_memory_is_asked_for_all_weights_before_any_is_read(folder: Path) -> None:
    asked: list[int] = []
    judge(folder, lambda name, nbytes: asked.append(nbytes))
    judge_configuration(folder, lambda name, nbytes: asked.append(nbytes))
    assert asked == [4 * _opened(folder).num_parameters()] * 2


def test_a_model_beyond_the_limit_is_refused_with_the_figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident", lambda: 1 << 30)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: type("Total", (), {"total": 24 << 30}))
    monkeypatch.setenv(memory.VARIABLE, "4")
    memory.check_weights(folder, 3 << 30)
    memory.check_weights(folder, memory.ALWAYS)
    told = r"28\.0 GB in float32.* has 1\.0 GB already.*4\.0 GB in all \(STAGELIGHT_MEMORY\); the machine has 24\.0 GB"
    with pytest.raises(Refused, match=f"{told}. Choose a smaller checkpoint, or a machine with more"):
        memory.check_weights(folder, 28 << 30)
    with pytest.raises(Refused, match=r"8\.0 GB in float32.*Start it with STAGELIGHT_MEMORY=10"):
        memory.check_weights(folder, 8 << 30)


def test_errors_that_end_a_program_are_not_turned_into_sentences(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PreTrainedModel, "from_pretrained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _opened(folder)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("unable to mmap 28000000000 bytes from file: Cannot allocate memory (12)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: NOT ENOUGH MEMORY"),
        OSError(12, "Cannot allocate memory"),
        MemoryError(),
    ],
)
def test_memory_that_runs_out_while_loading_is_told(
    folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", too_large)
    with pytest.raises(WeightsError, match="not enough memory on this machine to load"):
        _opened(folder)


def test_bytes_of_config_json_changed_at_random_open_rightly_or_are_refused(folder: Path) -> None:
    file = folder / "config.json"
    whole = file.read_bytes()
    outcomes = [_outcome(folder, file, _mutated(whole, len(whole), seed)) for seed in range(600)]
    assert {"opened", "refused"} == set(outcomes)


def test_bytes_of_the_header_changed_at_random_open_rightly_or_are_refused(folder: Path) -> None:
    file = folder / WEIGHTS
    whole = with_header(file.read_bytes(), lambda facts: None)
    length = 8 + int.from_bytes(whole[:8], "little")
    outcomes = [_outcome(folder, file, _mutated(whole, length, seed)) for seed in range(600)]
    assert "refused" in outcomes
    assert "without a word" not in outcomes


def _mutated(whole: bytes, length: int, seed: int) -> bytes:
    """One to three of the first bytes changed: to another, or a digit to another digit."""
    chance, raw = random.Random(seed), bytearray(whole)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(length)
        digit = chr(raw[at]).isdigit() and chance.random() < 0.8
        raw[at] = ord(chance.choice("0123456789")) if digit else chance.randrange(256)
    return bytes(raw)


def _outcome(folder: Path, file: Path, raw: bytes) -> str:
    """Whether a checkpoint opens, its logits being the library's own, or is refused."""
    file.write_bytes(raw)
    try:
        logits = _logits(_opened(folder))
    except Refused as refused:
        return "refused" if str(refused) else "without a word"
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.inference_mode():
        assert torch.equal(logits, plain.eval()(IDS, return_dict=True).logits)
    return "opened"


def test_bert_of_hidden_words_that_sees_no_later_ones_is_refused(tmp_path: Path) -> None:
    config = BertConfig(**_BERT, is_decoder=True)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"Take is_decoder out, or name BertLMHeadModel"):
        judge(tmp_path)


def test_bert_that_takes_its_rows_in_parts_computes_the_same(tmp_path: Path) -> None:
    model = BertForMaskedLM(BertConfig(**_BERT, chunk_size_feed_forward=1)).eval()
    model.save_pretrained(tmp_path)
    ids = torch.arange(5)[None]
    with torch.inference_mode():
        found, plain = load_model(tmp_path, attn_implementation="eager")(ids), model(ids)
    torch.testing.assert_close(found.logits, plain.logits)


_BERT = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
}


def test_more_buckets_than_distances_are_refused(tmp_path: Path) -> None:
    config = T5Config(
        vocab_size=32,
        d_model=16,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        relative_attention_num_buckets=12,
        relative_attention_max_distance=3,
    )
    T5EncoderModel(config).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="gives 12 buckets for distances up to 3 tokens"):
        judge(tmp_path)
