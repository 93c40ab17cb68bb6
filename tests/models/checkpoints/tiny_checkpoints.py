"""Checkpoints small enough to write in a test: a GGUF, the wheel that holds it, the catalog that names the wheel."""

import hashlib
import zipfile
from pathlib import Path

import gguf
import numpy as np

from models.text.spelling import BYTE_OF

D_MODEL, D_FF, N_LAYERS, N_HEADS, N_KV = 32, 64, 2, 4, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["Ġ t", "h e", "Ġt he", "a b"]
PIECES = [*SPECIAL, *sorted(BYTE_OF), *(merge.replace(" ", "") for merge in MERGES)]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_gguf(
    path: Path,
    architecture: str = "llama",
    pre: str = "smollm",
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.Q4_1,
    **extra: float,
) -> Path:
    """A two-layer model with random weights, stored as 4-bit (Q4_1, or another kind) and 8-bit (Q8_0) blocks like the
    real one."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("Tiny")
    writer.add_license("mit")
    writer.add_block_count(N_LAYERS)
    writer.add_context_length(64)
    writer.add_embedding_length(D_MODEL)
    writer.add_feed_forward_length(D_FF)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_KV)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    for key, value in extra.items():
        writer.add_float32(f"{architecture}.{key.replace('__', '.')}", value)
    _add_tokenizer(writer, pre)
    _add_tensors(writer, kind, biased=architecture == "qwen2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_wheel(folder: Path, gguf_file: Path) -> Path:
    """A wheel `tiny-checkpoint 1.0` with the GGUF in it."""
    wheel = folder / "tiny_checkpoint-1.0-py3-none-any.whl"
    about = "tiny_checkpoint-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf_file, "tiny_checkpoint/tiny.gguf")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-checkpoint\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def write_catalog(path: Path, gguf_file: Path, sha256: str = "") -> Path:
    """A catalog whose only checkpoint is `tiny`, pinned by the GGUF's hash unless another one is given."""
    digest = sha256 or hashlib.sha256(gguf_file.read_bytes()).hexdigest()
    path.write_text(
        f"""
        [tiny]
        title = "Tiny"
        family = "llama"
        package = "tiny-checkpoint"
        version = "1.0"
        revision = "1.0"
        wheel_bytes = 100_000
        cache_bytes = 200_000
        licence = "MIT"
        source = "https://example.invalid/tiny"
        stored = "GGUF, 4-bit Q4_1"
        computed = "float32"
        members = [{{ path = "tiny_checkpoint/tiny.gguf", sha256 = "{digest}", bytes = {gguf_file.stat().st_size} }}]
        """,
        "utf-8",
    )
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, pre: str) -> None:
    normal = len(PIECES) - len(SPECIAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(PIECES)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * normal)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _add_tensors(writer: gguf.GGUFWriter, stored: gguf.GGMLQuantizationType, biased: bool) -> None:
    random = np.random.default_rng(0)

    def add(name: str, *shape: int, kind: gguf.GGMLQuantizationType = stored) -> None:
        values = random.normal(0, 0.3, shape).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    plain = gguf.GGMLQuantizationType.F32
    d_kv = D_MODEL * N_KV // N_HEADS
    add("token_embd.weight", len(PIECES), D_MODEL, kind=gguf.GGMLQuantizationType.Q8_0)
    add("output_norm.weight", D_MODEL, kind=plain)
    for layer in range(N_LAYERS):
        add(f"blk.{layer}.attn_norm.weight", D_MODEL, kind=plain)
        for part, rows in {"attn_q": D_MODEL, "attn_k": d_kv, "attn_v": d_kv}.items():
            add(f"blk.{layer}.{part}.weight", rows, D_MODEL)
            if biased:
                add(f"blk.{layer}.{part}.bias", rows, kind=plain)
        add(f"blk.{layer}.attn_output.weight", D_MODEL, D_MODEL)
        add(f"blk.{layer}.ffn_norm.weight", D_MODEL, kind=plain)
        add(f"blk.{layer}.ffn_gate.weight", D_FF, D_MODEL)
        add(f"blk.{layer}.ffn_up.weight", D_FF, D_MODEL)
        add(f"blk.{layer}.ffn_down.weight", D_MODEL, D_FF)
