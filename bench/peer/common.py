"""What the peers' programs share. It runs in their environments, where this project is not installed."""

import json
import os
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import TypeVar

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER, ROUNDS, THREADS, *LENGTHS = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(THREADS)
if "PEER_MEMORY" in os.environ and sys.platform != "win32":
    import resource

    most = int(os.environ["PEER_MEMORY"])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
Result = TypeVar("Result")
Way = Callable[[torch.Tensor], int | None]  # ids [1 pos] → bytes of the page it makes, None where it makes none


def model(attention: str = "sdpa") -> torch.nn.Module:
    """The weights in the library's own model, float32."""
    loaded = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, attn_implementation=attention)
    return loaded.eval()


def tokenizer() -> object:
    """The tokenizer beside the weights."""
    return AutoTokenizer.from_pretrained(FOLDER)


def compare(ways: dict[str, Way], vocab: int) -> None:
    """Measure each way against a plain forward, in turns on the same tokens. After each, print all rows so far as a
    line of JSON: whoever stops this program has those."""
    plain, rows = model(), []
    for length in LENGTHS:
        for name, way in ways.items():
            rows.append((name, length, *_against(plain, way, length, vocab)))
            print(json.dumps(rows), flush=True)


def _against(plain: torch.nn.Module, way: Way, length: int, vocab: int) -> tuple[float, float, float, int | None]:
    """(plain ms, its ms, their ratio, bytes of its page)."""
    base, seconds, size = [], [], None
    for turn in range(ROUNDS + 1):
        ids = torch.randint(10, vocab - 10, (1, length), generator=torch.Generator().manual_seed(turn))
        with torch.inference_mode():
            alone, _logits = timed(lambda ids=ids: plain(ids, use_cache=False))
        spent, size = timed(lambda ids=ids: way(ids))
        if turn:  # the first round warms up
            base.append(alone)
            seconds.append(spent)
    ratio = median(a / b for a, b in zip(seconds, base, strict=True))
    return 1000 * median(base), 1000 * median(seconds), ratio, size


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """(seconds that the work took, what it returned)."""
    start = perf_counter()
    result = work()
    return perf_counter() - start, result
