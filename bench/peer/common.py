"""What the peers' programs share. It runs in their environments, where this project is not installed."""

import json
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER, ROUNDS, THREADS, *LENGTHS = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(THREADS)
Way = Callable[[torch.Tensor], int | None]  # ids [1 pos] → bytes of the page it makes, None where it makes none


def model(attention: str = "sdpa") -> torch.nn.Module:
    """The weights in the library's own model, float32."""
    loaded = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, attn_implementation=attention)
    return loaded.eval()


def tokenizer() -> object:
    """The tokenizer beside the weights."""
    return AutoTokenizer.from_pretrained(FOLDER)


def compare(ways: dict[str, Way], vocab: int) -> None:
    """Measure each way against a plain forward, in turns on the same tokens; print the rows as JSON."""
    plain = model()
    rows = []
    for length in LENGTHS:
        seconds: dict[str, list[float]] = {name: [] for name in ("plain", *ways)}
        sizes: dict[str, int | None] = {}
        for turn in range(ROUNDS + 1):
            ids = torch.randint(10, vocab - 10, (1, length), generator=torch.Generator().manual_seed(turn))
            with torch.inference_mode():
                spent = {"plain": timed(lambda ids=ids: plain(ids, use_cache=False))[0]}
            for name, way in ways.items():
                spent[name], sizes[name] = timed(lambda ids=ids, way=way: way(ids))
            if turn:  # the first round warms up
                for name, took in spent.items():
                    seconds[name].append(took)
        base = seconds["plain"]
        for name in ways:
            ratio = median(a / b for a, b in zip(seconds[name], base, strict=True))
            rows.append((name, length, 1000 * median(base), 1000 * median(seconds[name]), ratio, sizes[name]))
    print(json.dumps(rows))


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """(seconds, what came out)."""
    start = perf_counter()
    found = work()
    return perf_counter() - start, found
