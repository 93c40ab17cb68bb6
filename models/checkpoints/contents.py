"""What the names of a checkpoint's files tell: whether it can be used, and what there is where it cannot."""

from collections.abc import Sequence

from anatomy.language import N_
from anatomy.refused import Sentence
from models.checkpoints.configuration import FILE, NO_CONFIGURATION, quantized_beside
from models.checkpoints.headers import INDEX, WHOLE
from models.checkpoints.tokenizer_files import are_enough, other_vocabularies

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin", "adapter_config.json")
_CONVERTER = "https://huggingface.co/spaces/safetensors/convert"
# Endings of weights that other programs read, with what these call them.
_OTHERS = (
    ((".onnx", ".onnx_data"), "ONNX"),
    ((".h5", ".keras"), "TensorFlow/Keras (H5)"),
    ((".msgpack",), "Flax (msgpack)"),
    ((".ckpt.index", ".ckpt.meta", ".ckpt-0.index", ".data-00000-of-00001"), "a TensorFlow checkpoint"),
    ((".npz",), "NumPy arrays (as older versions of MLX write them)"),
    ((".tflite",), "TensorFlow Lite"),
    (("openvino_model.xml", "openvino_model.bin"), "OpenVINO"),
    ((".mlmodel", ".mlpackage"), "Core ML"),
    ((".ggml", ".llamafile"), "an older format of llama.cpp"),
)
_UNFINISHED = (".incomplete", ".part", ".crdownload", ".download", ".tmp")
_NO_WEIGHTS = ("training_args", "optimizer", "scheduler", "rng_state", "random_states")  # pickles beside weights


def missing(names: Sequence[str]) -> list[Sentence]:
    """What a checkpoint with these files lacks or has too much of, one sentence each, the worst first.

    names: of files, those of inner folders with the folders before them
    """
    lacks = missing_for_a_model(names)
    if not are_enough(names):
        lacks.append(Sentence(_NO_TOKENIZER, known=other_vocabularies()))
    return lacks


def missing_for_a_model(names: Sequence[str]) -> list[Sentence]:
    """The same without what cuts a text into tokens."""
    top = sorted(name for name in names if "/" not in name)
    inner = sorted(name for name in names if "/" in name)
    lacks = []
    if not {WHOLE, INDEX} & set(top):
        lacks.append(_no_weights(top, inner))
    elif adapters := [name for name in _ADAPTERS if name in top]:
        template = N_(
            "it has an adapter (LoRA, {file}) beside the model, and the adapter would not be used. Merge it into the "
            "model (peft: {step}), or take it out to see the model without it."
        )
        lacks.append(Sentence(template, file=adapters[0], step="merge_and_unload"))
    if FILE not in top:
        lacks.append(Sentence(NO_CONFIGURATION))
    if quantized := quantized_beside(top):
        lacks.append(quantized)
    return lacks


_NO_TOKENIZER = N_(
    "it has no tokenizer: neither tokenizer.json nor other files that one can be made of ({known}). Copy them from the "
    "model that it was trained from, or let transformers.AutoTokenizer write them (save_pretrained)."
)


def _no_weights(names: Sequence[str], inner: Sequence[str]) -> Sentence:
    """What there is in place of weights in safetensors, and what would make some of it."""
    for look in (_adapter, _shards, _own_name, _gguf, _pickle, _other, _unfinished):
        if (said := look(names)) is not None:
            return said
    below = [name for name in inner if name.endswith((f"/{WHOLE}", f"/{INDEX}"))]
    if below:
        template = N_("its weights are in the folder {inner} inside of it: give the path of that folder.")
        return Sentence(template, inner=below[0].rpartition("/")[0])
    if not names:
        return Sentence(N_("there are no files in it."))
    return Sentence(N_("it has no {whole} and no {index}, so there are no weights to read."), whole=WHOLE, index=INDEX)


def _adapter(names: Sequence[str]) -> Sentence | None:
    if not set(_ADAPTERS) & set(names):
        return None
    template = N_("it is an adapter (LoRA), not a whole model; merge it into its base model first (peft: {step}).")
    return Sentence(template, step="merge_and_unload")


def _shards(names: Sequence[str]) -> Sentence | None:
    shards = [name for name in names if name.startswith("model-") and name.endswith(".safetensors")]
    if not shards:
        return None
    template = N_(
        "it has {count} files such as {file}, and no {index} that says which tensor is in which of them. Fetch the "
        "index from where they came."
    )
    return Sentence(template, count=len(shards), file=shards[0], index=INDEX)


def _own_name(names: Sequence[str]) -> Sentence | None:
    others = [name for name in names if name.endswith(".safetensors")]
    if not others:
        return None
    template = N_(
        "it has {file}, and no {whole}. If these are the model's weights, with the names that transformers gives its "
        "tensors, call the file {whole}."
    )
    return Sentence(template, file=others[0], whole=WHOLE)


def _gguf(names: Sequence[str]) -> Sentence | None:
    files = [name for name in names if name.lower().endswith(".gguf")]
    if not files:
        return None
    template = N_("its weights are GGUF files: give the path of one of them on this machine, for example ./{file}")
    return Sentence(template, file=files[0])


def _pickle(names: Sequence[str]) -> Sentence | None:
    files = [name for name in names if name.endswith(PICKLES) and not name.startswith(("openvino", *_NO_WEIGHTS))]
    if not files:
        return None
    template = N_(
        "its weights are only there as a pickle ({file}), and opening a pickle can run any program hidden in it. "
        "Stagelight reads safetensors only: {page} makes them."
    )
    return Sentence(template, file=files[0], page=_CONVERTER)


def _other(names: Sequence[str]) -> Sentence | None:
    for endings, kind in _OTHERS:
        files = [name for name in names if name.endswith(endings)]
        if files:
            template = N_(
                "its weights are only there in another format ({kind}: {file}). Stagelight reads safetensors and GGUF: "
                "use the model's PyTorch version, saved with {step}."
            )
            return Sentence(template, kind=kind, file=files[0], step="save_pretrained")
    return None


def _unfinished(names: Sequence[str]) -> Sentence | None:
    files = [name for name in names if name.endswith(_UNFINISHED)]
    if not files:
        return None
    return Sentence(N_("its download was broken off ({file} is there): fetch it again to the end."), file=files[0])
