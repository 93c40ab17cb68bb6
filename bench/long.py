"""What every group of sites costs on a long text: seconds, memory, and what the estimate said before.

Each length has a process of its own, so that its memory is that of this length alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import nan
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

from anatomy.refused import Refused
from anatomy.request import Run, Want, choice
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from bench.table import markdown
from bench.texts import text_of
from models import memory
from models.local.engine import LocalEngine
from models.local.load import load
from models.local.threads import usual_threads
from models.measures.attention_reducers import KINDS

_POSITIONS = 64  # of those that the lens is asked for one by one
_MB = 1e6
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Cost(NamedTuple):
    """asked: a group of sites; seconds of the clock and of all cores; MB grown by at the peak, and of the process;
    what the estimate said; the sentence where it was refused, and nothing else was found."""

    asked: str
    tokens: int
    seconds: float = nan
    busy: float = nan
    grown: float = nan
    process: float = nan
    seconds_estimated: float = nan
    grown_estimated: float = nan
    refused: str = ""


def groups(spec: ModelSpec, tokens: int) -> dict[str, list[Want]]:
    """Every site, with those that the page asks for together; the first leaves layer inputs that the others read."""
    layer, last, middle = spec.layers // 2, tokens - 1, tokens // 2
    inside = [site for site in SITES.values() if site.per_layer and not (site.one_pos or site.one_head)]
    maps = [site.name for site in inside if "src" in site.axes and "head" in site.axes]
    at_one = [site for site in SITES.values() if site.one_pos and not site.for_token]
    few = range(max(0, middle - _POSITIONS), middle)
    return {
        "forward, last logits": [Want("norm_pre"), Want("logits", pos=last)],
        "norms, cosines": [Want(f"norm_{at}") for at in ("pre", "mid", "post", "attn", "ffn")]
        + [Want("cos_attn"), Want("cos_ffn")],
        "neurons at rest": [Want("act_small"), Want("act_zero")],
        "bend of the FFN": [Want("ffn_bend")],
        "kinds of heads": [Want(f"head_{kind}") for kind in KINDS],
        "thumbnails": [Want("head_maps")],
        "reach": [Want("head_reach")],
        "heads apart": [Want("head_apart")],
        "one layer, no maps": [Want(site.name, layer) for site in inside if site.name not in maps],
        "one layer's maps": [Want(name, layer) for name in ("scores", "pattern", "contribution")],
        "a row of the maps": [Want(name, layer, pos=middle) for name in ("scores", "pattern", "contribution")],
        "a head's map, pooled": [Want(site.name, layer, head=0) for site in SITES.values() if site.one_head],
        "embeddings": [Want("tok_embed"), Want("pos_embed")],
        "nearest tokens": [Want("near_ids"), Want("near_cos")],
        "nearest tokens, rows": [Want("near_rows")],
        "predictions": [Want("next_ids"), Want("next_logp"), Want("entropy")],
        "surprisal": [Want("surprisal")],
        "in half precision": [Want("half_kl")],
        "in a batch": [Want("batch_gap")],
        "lens, one position": [
            Want("lens_ids", pos=middle),
            Want("lens_logp", pos=middle),
            Want("lens_kl", pos=middle),
        ],
        f"lens, {len(few)} positions": [Want(f"lens_{what}", pos=pos) for pos in few for what in ("ids", "logp")],
        "lens, all positions": [Want("lens_ids"), Want("lens_logp")],
        "distance of the lens, all": [Want("lens_kl")],
        "a position": [Want(site.name, layer if site.per_layer else None, pos=middle) for site in at_one],
        "parts of a logit": [
            Want(site.name, pos=middle, token=choice(1), against=choice(2)) for site in SITES.values() if site.for_token
        ],
        "matrices, order, text": [
            Want(name) for name in ("weight_gap", "layer_order", "merge_step", "merge_rule", "chat_ids", "chat_role")
        ],
    }


def measure(model: str, lengths: Sequence[int], threads: int, only: Sequence[str] = ()) -> Iterator[Cost]:
    """What each group costs at each length, measured in a process of its own."""
    for length in lengths:
        asked = [sys.executable, "-m", "bench.long", model, str(length), str(threads), *only]
        usual = os.environ | {"OMP_NUM_THREADS": str(threads)}  # of the engine from the start: it measures its speed
        with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True, env=usual) as child:
            assert child.stdout is not None, "the output of the process was asked for"
            yield from (Cost(*json.loads(line)) for line in child.stdout)
        if child.returncode:  # killed for its memory, say: the rows that are missing are not for free
            yield Cost("the process", length, refused=f"ended with {child.returncode}")


def costs(engine: LocalEngine, run: Run, asked: Mapping[str, Sequence[Want]]) -> Iterator[Cost]:
    """What each group costs by itself. Sites that the engine does not have are left out."""
    tokens = len(engine.run(run).tokens)
    for name, wants in asked.items():
        yield _cost(engine, run, Cost(name, tokens), [want for want in wants if want.site not in engine.missing])


def _cost(engine: LocalEngine, run: Run, of: Cost, wants: list[Want]) -> Cost:
    try:
        estimate = engine.estimate(run, wants)
        before = memory.resident()
        _forget()
        start, busy = perf_counter(), process_time()
        engine.run(run, wants)
        took, worked, peak = perf_counter() - start, process_time() - busy, _peak()
    except Refused as refused:
        return of._replace(refused=str(refused))
    taken = (took, worked, (peak - before) / _MB, peak / _MB)
    return Cost(of.asked, of.tokens, *taken, estimate.seconds, estimate.nbytes / _MB)


def forgets() -> bool:
    """Whether this system can begin anew with the most memory that was taken; else it is the most so far."""
    return _FORGET.exists()


def _forget() -> None:
    if forgets():
        _FORGET.write_text("5")


def _peak() -> int:
    """Bytes of the most memory that the process took since `_forget`."""
    if not _STATUS.exists():
        return memory.resident()
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def table(rows: Sequence[Cost]) -> str:
    """A row a group as Markdown."""
    columns = ("asked", "tokens", "s", "CPU s", "grew by MB", "process MB", "estimated s", "estimated MB", "refused")
    return markdown(columns, [[None if cell != cell else cell for cell in cost] for cost in rows])


def main(model: str, length: str, threads: str, *only: str) -> None:
    """One length: a line of JSON a row."""
    import torch

    torch.set_num_threads(int(threads))
    engine = load(model)
    engine.threads = usual_threads(int(threads))

    def count(text: str) -> int:
        return len(engine.run(Run(engine.spec.id, text)).tokens)

    run = Run(engine.spec.id, text_of(int(length), 0, count))
    every = groups(engine.spec, int(length))
    first = next(iter(every))  # it leaves the layer inputs that the others read
    chosen = {name: wants for name, wants in every.items() if not only or name in (first, *only)}
    for cost in costs(engine, run, chosen):
        print(json.dumps(cost), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
