"""A small ModelSpec for tests that need one but no model."""

from dataclasses import replace

from anatomy.spec import Ffn, ModelSpec, Norm, Paths, Rope, Stack, Weights

SPEC = ModelSpec(
    name="small",
    revision="1",
    dtype="float32",
    family="llama",
    architecture="Llama",
    stacks=(Stack("dec", 3, True),),
    d_model=8,
    n_heads=4,
    n_kv=2,
    d_head=2,
    d_ff=12,
    vocab=50,
    max_pos=64,
    position=Rope(10_000.0, (1.0,)),
    norm=Norm("rms", "pre", 1e-5),
    ffn=Ffn(True, "silu"),
    head="causal",
    tied=True,
    paths=Paths(
        attention="self_attn.o_proj",
        ffn="mlp.down_proj",
        inner=("mlp.gate_proj", "mlp.up_proj"),
        norms=("input_layernorm", "post_attention_layernorm"),
        final_norm="norm",
        head="lm_head",
    ),
    weights=Weights("Small", "MIT", "https://example.org/small", "float32", 1000),
)


def spec(**changes) -> ModelSpec:
    """The small spec with some fields changed."""
    return replace(SPEC, **changes)
