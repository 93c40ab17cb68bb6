"""What papers call the parts of a model."""

from anatomy.language import _
from anatomy.spec import ModelSpec

_FUNCTIONS = {
    "silu": "SiLU",
    "swish": "SiLU",
    "relu": "ReLU",
    "gelu": "GELU",
    "gelu_new": "GELU (tanh)",
    "gelu_fast": "GELU (tanh)",
    "gelu_pytorch_tanh": "GELU (tanh)",
}
_GATED = {"SiLU": "SwiGLU", "ReLU": "ReGLU", "GELU": "GeGLU", "GELU (tanh)": "GeGLU"}


def function_name(spec: ModelSpec) -> str:
    """The activation function as papers write it."""
    return _FUNCTIONS.get(spec.ffn.act, spec.ffn.act)


def ffn_name(spec: ModelSpec) -> str:
    """The kind of FFN: SwiGLU and its kin where it is gated (Shazeer 2020), else the activation function."""
    function = function_name(spec)
    if not spec.ffn.gated:
        return function
    return _GATED[function] if function in _GATED else _("gated {function}", function=function)
