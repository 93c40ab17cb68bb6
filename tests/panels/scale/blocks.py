"""Blocks of stored weights, made byte by byte: their bits are the same on every machine."""

import numpy as np

from anatomy.storage import BLOCK, Quantized, Storage
from panels.scale.stored_block import Block

_AS_NUMPY = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}


def block(storage: Storage, source: np.random.Generator, *, flat: bool = False, altered: bool = False) -> Block:
    """Weights 32 to 63 (or the larger block that holds them) of row 3 of the gate of layer 1. flat: all weights have
    the same bits."""
    size = BLOCK if storage.floating else storage.weights
    raw = np.array(_floats(storage, source, flat) if storage.floating else _packed(storage, source, flat), np.uint8)
    weights = _weights(storage, raw, source)
    return Block(
        layer=1,
        matrix="gate",
        row=3,
        first=32 // size * size,
        storage=storage,
        raw=raw,
        weights=weights,
        row_bytes=4 * len(raw),
        row_weights=4 * size,
        altered=altered,
    )


def _packed(storage: Storage, source: np.random.Generator, flat: bool) -> np.ndarray:
    raw = source.integers(0, 256, storage.nbytes).astype(np.uint8)
    if storage.quantized:
        raw[storage.header :] = 0 if flat else raw[storage.header :]
        raw[: storage.header] = np.array([0.03125, -0.25][: storage.header // 2], "<f2").view(np.uint8)
    return raw


def _floats(storage: Storage, source: np.random.Generator, flat: bool) -> np.ndarray:
    numbers = source.integers(1, 200, BLOCK) / 256 * source.choice([-1, 1], BLOCK)  # exact in each of these
    numbers = np.full(BLOCK, 0.25) if flat else numbers
    if storage.name == "bfloat16":
        return numbers.astype("<f4").view(np.uint8).reshape(BLOCK, 4)[:, 2:].ravel()
    return numbers.astype(_AS_NUMPY[storage.name]).view(np.uint8)


def _weights(storage: Storage, raw: np.ndarray, source: np.random.Generator) -> np.ndarray:
    if storage.quantized:
        return Quantized(storage, raw).values
    if not storage.floating:
        return source.normal(0, 1, storage.weights).astype(np.float32)
    if storage.name == "bfloat16":
        high = raw.reshape(-1, 2)
        return np.concatenate([np.zeros_like(high), high], axis=1).view("<f4").ravel()
    return raw.view(_AS_NUMPY[storage.name]).astype(np.float32)
