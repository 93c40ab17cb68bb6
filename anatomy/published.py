"""Llama 3.1 as it was published: the configurations of its three sizes, and what its makers say of them.

Source: `config.json` of meta-llama/Llama-3.1-8B, -70B and -405B; Dubey et al. 2024, "The Llama 3 Herd of Models"
(arXiv 2407.21783), table 3 and section 3.4; the models' page of 23 July 2024.
"""

from dataclasses import dataclass

from anatomy.costs import Configuration
from anatomy.language import N_
from anatomy.spec import Paths

SOURCE = N_(
    "The configurations (config.json) of Llama 3.1 8B, 70B and 405B, released on 23 July 2024, and the paper “The "
    "Llama 3 Herd of Models” (Dubey et al. 2024)."
)
# Section 3 of the paper: what the largest model was trained on, and the arithmetic that it took.
TRAINED_TOKENS = 15.6e12
TRAINED_OPERATIONS = 3.8e25
# Memory of one NVIDIA H100, on up to 16,384 of which the largest was trained (section 3.3.1).
DEVICE_BYTES = 80_000_000_000
# Where transformers keeps their parts.
PATHS = Paths(
    attention="self_attn.o_proj",
    ffn="mlp.down_proj",
    inner=("mlp.gate_proj", "mlp.up_proj"),
    norms=("input_layernorm", "post_attention_layernorm"),
    final_norm="norm",
    head="lm_head",
    unturned=("self_attn.q_proj", "self_attn.k_proj"),
    layers="layers",
    reads=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
)


@dataclass(frozen=True)
class Published:
    """One published size: its configuration, and the count of its parameters as its page rounds it ("8.03 B")."""

    configuration: Configuration
    parameters: str


def _llama(name: str, layers: int, d_model: int, n_heads: int, d_ff: int) -> Configuration:
    """What the three sizes share: 8 key/value heads of 128 dimensions, SwiGLU, RMSNorm, an output of its own."""
    return Configuration(
        name=name,
        layers=layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv=8,
        d_head=d_model // n_heads,
        d_ff=d_ff,
        vocab=128_256,
        max_pos=131_072,
        gated=True,
        causal=True,
        norm="rms",
        place="pre",
        head="causal",
        tied=False,
    )


LLAMA_31 = (
    Published(_llama("Llama 3.1 8B", 32, 4096, 32, 14_336), "8.03 B"),
    Published(_llama("Llama 3.1 70B", 80, 8192, 64, 28_672), "70.6 B"),
    Published(_llama("Llama 3.1 405B", 126, 16_384, 128, 53_248), "405 B"),
)
