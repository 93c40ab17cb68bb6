"""The printed program of a range: the model's weights changed in place, its text run again, each variant compared."""

from collections.abc import Callable, Sequence

from anatomy.control import Choice
from anatomy.spec import ModelSpec
from anatomy.variants import BLOCK, PRECISIONS, Alteration
from anatomy.view import Fitted
from panels.common.snippet import LAYERS, opening
from panels.scale.ranged import alterations
from panels.scale.ranges import Range, chosen

_MATRICES = """from transformers.pytorch_utils import Conv1D

matrices = [
    (path in FFN, module)
    for layer in layers
    for path, module in layer.named_modules()
    if isinstance(module, (torch.nn.Linear, Conv1D))
]
"""
_BEFORE = """before = [module.weight.data for _ffn, module in matrices]
"""
_ROUNDED = f"""

def levels(numbers, bits, symmetric):
    if symmetric:
        least, scale = 0.0, numbers.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    else:
        least, most = numbers.aminmax(dim=-1, keepdim=True)
        scale = (most - least) / (2**bits - 1)
    return ((numbers - least) / torch.where(scale > 0, scale, 1.0)).round() * scale + least


def by_block(weight, bits, symmetric):
    width = weight.shape[1]
    filled = torch.nn.functional.pad(weight[None], (0, -width % {BLOCK}), mode="replicate")[0]
    blocks = filled.reshape(len(weight), -1, {BLOCK})  # [output, block, within]
    return levels(blocks, bits, symmetric).reshape(len(weight), -1)[:, :width]

"""
_PRUNED = """

def pruned(weight, share):
    smallest = weight.abs().flatten().argsort(stable=True)[: round(share * weight.numel())]
    return weight.flatten().index_fill(0, smallest, 0.0).reshape(weight.shape)

"""
_CHANGED = """
def altered(change, part):
    for (ffn, module), weight in zip(matrices, before, strict=True):
        if part not in ("everywhere", "FFN" if ffn else "attention"):
            module.weight.data = weight
        elif isinstance(module, Conv1D):  # a row per input
            module.weight.data = change(weight.T).T.contiguous()
        else:
            module.weight.data = change(weight)
    return model

"""
_COUNTED = f"""whole = sum(weight.numel() for weight in model.parameters())


def blocks(weight):
    return len(weight) * -(-weight.shape[1] // {BLOCK})


def file_bytes(bits, part):
    total = 16 * whole
    for ffn, module in matrices:
        if part in ("everywhere", "FFN" if ffn else "attention"):
            weight = module.weight.T if isinstance(module, Conv1D) else module.weight
            total += bits(weight) - 16 * weight.numel()
    return -(-total // 8)

"""
_RUN = '''

def run(model):
    """{gives}"""
    streams = []
    hooks = [
        layer.register_forward_hook(
            lambda layer, given, out: streams.append((out[0] if isinstance(out, tuple) else out)[0].double())
        )
        for layer in model.modules()
        if isinstance(layer, GradientCheckpointingLayer)
    ]
    with torch.no_grad():
        out = model(**inputs)
    for hook in hooks:
        hook.remove()
    return {returned}


own, own_stream = run(model)
'''
_GIVES = {
    True: (
        "Log probabilities after each token [pos, vocab], and the stream leaving each layer [layers, pos, d_model].",
        "out.logits[0].double().log_softmax(-1), torch.stack(streams)",
    ),
    False: ("None, and the stream leaving each layer [layers, pos, d_model].", "None, torch.stack(streams)"),
}
_TIMED = """
from time import perf_counter
"""
_SECONDS = """    seconds = []
    for again in range(4):
        start = perf_counter()
        with torch.no_grad():
            other.base_model(**inputs, use_cache=False)
        seconds.append(perf_counter() - start)
    result[name] = min(seconds[1:]) / len(ids)
"""
# What is taken of a variant's run and the model's own.
_TAKEN = {
    "loss": "-logp[:-1].gather(1, torch.tensor(ids[1:])[:, None]).mean().item()",
    "kl": "(logp.exp() * (logp - own)).sum(-1).clamp(min=0).mean().item()",
    "flips": "(logp.argmax(-1) != own.argmax(-1)).double().mean().item()",
    "distance": "distance[-1].mean().item()",
    "layers": "distance.mean(-1).tolist()",
}
_DISTANCE = "    distance = (stream - own_stream).norm(dim=-1) / own_stream.norm(dim=-1)  # [layers, pos]\n"
_ALTERED = "    other = altered(*how)\n"
_LOADED = "    other = type(model).from_pretrained(folder, dtype=how).eval()\n"
_HALF = """print(result, "bytes, in memory and in a file")
"""


def snippet(kind: Range, control: Choice, spec: ModelSpec, view: Fitted) -> str:
    """The charted number of each variant of the range: a dict by the variant's name, of a chart over layers lists."""
    shown = chosen(control, spec, view)
    ofs = kind.along(shown)
    halves = not kind.parts
    if shown == "bytes":
        parts = _halved(ofs) if halves else (_matrices(spec), _COUNTED, _table(ofs, _bits), _loop("", _FILE))
        return "".join((opening(spec, view), *([] if halves else [LAYERS]), *parts))
    how = _PRUNED if "prune" in kind.kinds else _ROUNDED
    changed = () if halves else (_matrices(spec), _BEFORE, how, _CHANGED)
    made, taken = _LOADED if halves else _ALTERED, _SECONDS if shown == "seconds" else _compared(spec, shown)
    before = (
        _TIMED
        if shown == "seconds"
        else _RUN.format(**dict(zip(("gives", "returned"), _GIVES[spec.head is not None], strict=True)))
    )
    return "".join((opening(spec, view), LAYERS, *changed, before, _table(ofs, _made), _loop(made, taken)))


_FILE = "    result[name] = file_bytes(*how)\n"


def _halved(ofs: Sequence[str]) -> tuple[str, ...]:
    """Bytes of the model's weights in each precision."""
    sizes = "".join(f'    "{of}": sum(weight.numel() * 2 for weight in model.parameters()),\n' for of in ofs)
    return (f"\nresult = {{\n{sizes}}}\n{_HALF}",)


def _matrices(spec: ModelSpec) -> str:
    """The layers' matrices, and which of them are the FFN's."""
    inner = ", ".join(f'"{path}"' for path in (*spec.paths.inner, spec.paths.ffn))
    return f"\nFFN = ({inner})  # inside a layer; its other matrices are attention's\n{_MATRICES}"


def _table(ofs: Sequence[str], told: Callable[[Alteration], str]) -> str:
    """What is done to the weights in each variant, and in which part."""
    made = ((of, alterations(of)[0]) for of in ofs)
    rows = "".join(f'    "{of}": {told(one)},\n' for of, one in made)
    return f"\nvariants = {{\n{rows}}}\n"


def _part(one: Alteration) -> str:
    return {"attention": '"attention"', "ffn": '"FFN"'}.get(one.part, '"everywhere"')


def _made(one: Alteration) -> str:
    """What is done to a matrix, and to which; of a precision its name in torch."""
    match one.kind:
        case "bf16" | "fp16":
            return f"torch.{PRECISIONS[one.kind]}"
        case "prune":
            change = f"pruned(weight, {one.amount:g})"
        case "int8":
            change = "levels(weight, 8, symmetric=True)"
        case _:
            change = f"by_block(weight, {_count(one)}, symmetric={one.symmetric})"
    return f"(lambda weight: {change}, {_part(one)})"


def _bits(one: Alteration) -> str:
    """The bits that a matrix takes in a file, and which matrices do."""
    match one.kind:
        case "prune":  # a bit for each weight, 16 for each that is left
            share = f"{one.amount:g}"
            bits = f"min(16 * weight.numel(), weight.numel() + 16 * (weight.numel() - round({share} * weight.numel())))"
        case "int8":
            bits = "8 * weight.numel() + 16 * len(weight)"
        case _:  # a scale, and a least value, of 16 bits for each block
            bits = f"{_count(one)} * weight.numel() + {16 if one.symmetric else 32} * blocks(weight)"
    return f"(lambda weight: {bits}, {_part(one)})"


def _count(one: Alteration) -> str:
    return one.kind.removesuffix("bit")


def _loop(made: str, taken: str) -> str:
    return f"result = {{}}\nfor name, how in variants.items():\n{made}{taken}print(result)\n"


def _compared(spec: ModelSpec, shown: str) -> str:
    quantity = ("kl" if spec.head else "distance") if shown == "parts" else shown
    distance = _DISTANCE if quantity in ("distance", "layers") else ""
    return f"    logp, stream = run(other)\n{distance}    result[name] = {_TAKEN[quantity]}\n"
