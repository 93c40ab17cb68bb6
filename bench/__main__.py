"""`python -m bench COMMAND`: see `bench/__init__.py`."""

import argparse
import asyncio
import os
from collections.abc import Sequence

import bench

MODEL = "smollm2-135m"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=bench.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (does, lengths, rounds) in _COMMANDS.items():
        command = commands.add_parser(name, help=does.__doc__)
        command.add_argument("--model", default=MODEL, help="catalog name, folder or GGUF file")
        if lengths:
            command.add_argument("--tokens", type=int, nargs="+", default=lengths, help="lengths of the texts")
            command.add_argument("--rounds", type=int, default=rounds)
            command.add_argument("--threads", type=int, default=os.cpu_count() or 1)
        elif name in ("start", "first"):
            command.add_argument("--rounds", type=int, default=rounds, help="servers that are started, or visits")
        elif name == "lost":
            command.add_argument("--views", type=int, default=1000, help="of all readers together")
            command.add_argument("--sessions", type=int, default=3)
            command.add_argument("--ages", type=int, nargs="+", default=(), help="global.maxCachedMessageAge, in turn")
        elif name != "mutations":
            command.add_argument("--sessions", type=int, default=30)
            command.add_argument("--words", type=int, default=24, help="length of the texts")
        if name == "ratios":
            command.add_argument("--long", action="store_true", help="2,048 and 8,192 tokens too, as far as it goes")
        if name == "views":
            command.add_argument("--panels", nargs="+", default=["attention", "heads"], help="ids, or: all")
        if name == "mutations":
            command.add_argument("--only", nargs="+", default=(), help="part of a fault's name or file")
        if name == "long":
            command.add_argument("--only", nargs="+", default=(), help="which groups, as the table names them")
        if name == "peers":
            command.add_argument("--only", nargs="+", help="which peers")
            command.add_argument("--limit", type=float, default=300.0, help="seconds for a peer at one length")
        if name == "soak":
            command.add_argument("--minutes", type=float, default=20.0)
    chosen = parser.parse_args(arguments)
    print(_COMMANDS[chosen.command][0](chosen))


def _ratios(chosen: argparse.Namespace) -> str:
    """the trace that the page needs against a plain forward"""
    import torch

    from bench import ratios
    from models.checkpoints.locate import locate
    from models.loaded.load import load_model
    from models.local.load import load
    from models.local.threads import usual_threads

    torch.set_num_threads(chosen.threads)
    engine = load(chosen.model)
    engine.threads = usual_threads(chosen.threads)
    plain = load_model(locate(chosen.model).folder, attn_implementation="sdpa")
    engine.memory_bytes += sum(weight.nbytes for weight in plain.parameters())  # it has none beside it elsewhere
    lengths = [*chosen.tokens, *(ratios.LONG if chosen.long else ())]
    return ratios.table(ratios.measure(engine, plain, lengths, chosen.rounds), engine.packing)


def _views(chosen: argparse.Namespace) -> str:
    """server time and bytes of another layer, head or token"""
    import torch

    import panels
    from bench import views
    from models.local.load import load
    from models.local.threads import usual_threads
    from models.serving.store import Store

    torch.set_num_threads(chosen.threads)
    engine = load(chosen.model)
    engine.threads = usual_threads(chosen.threads)
    store = Store(engine, 384 << 20)
    shown = list(panels.load()) if chosen.panels == ["all"] else chosen.panels
    return views.table(views.measure(store, shown, chosen.tokens, chosen.rounds))


def _peers(chosen: argparse.Namespace) -> str:
    """TransformerLens, nnsight and BertViz on the same weights"""
    from bench import peers
    from models.checkpoints.locate import locate

    names = chosen.only or list(peers.PEERS)
    folder = locate(chosen.model).folder
    rows = peers.measure(folder, names, chosen.tokens, chosen.rounds, chosen.threads, chosen.limit)
    return peers.table(rows)


def _quantized(chosen: argparse.Namespace) -> str:
    """plain forwards in float32, bfloat16 and torchao's int8: seconds, bytes"""
    import torch

    from bench import quantized
    from models.checkpoints.locate import locate

    torch.set_num_threads(chosen.threads)
    return quantized.table(quantized.measure(locate(chosen.model).folder, chosen.tokens, chosen.rounds))


def _class(chosen: argparse.Namespace) -> str:
    """a class at one server, all at once"""
    from bench import classroom
    from bench.server import serving

    with serving(chosen.model, "bench/counted.py") as server:
        outcomes = asyncio.run(classroom.attend(server, chosen.sessions, chosen.words))
        return classroom.table(outcomes, server)


def _soak(chosen: argparse.Namespace) -> str:
    """a class for many minutes: memory"""
    from bench import soak
    from bench.server import serving

    with serving(chosen.model, "bench/counted.py") as server:
        stretches = max(2, round(chosen.minutes))
        record = asyncio.run(soak.soak(server, chosen.sessions, chosen.minutes, stretches, chosen.words))
        return soak.table(record, chosen.minutes)


def _lost(chosen: argparse.Namespace) -> str:
    """readers who go on quickly: do their pages forget what the server only names?"""
    from bench import lost

    return lost.table(lost.measure(chosen.model, chosen.views, chosen.sessions, chosen.ages))


def _start(chosen: argparse.Namespace) -> str:
    """how soon the page is there, and what it weighs"""
    from bench import start

    return start.table(start.measure(chosen.model, chosen.rounds))


def _first(chosen: argparse.Namespace) -> str:
    """the opening beside a plain Streamlit page"""
    from bench import first

    return first.table(first.measure(chosen.model, chosen.rounds))


def _long(chosen: argparse.Namespace) -> str:
    """every group of sites on long texts: seconds, memory, and the estimates"""
    from bench import long

    return long.table([*long.measure(chosen.model, chosen.tokens, chosen.threads, chosen.only)])


def _mutations(chosen: argparse.Namespace) -> str:
    """faults made by hand: which of them the tests catch"""
    from bench import mutations

    return mutations.report(chosen.only)


_COMMANDS = {
    "ratios": (_ratios, (8, 32, 128, 512), 7),
    "views": (_views, (12, 128, 512), 5),
    "long": (_long, (512, 2048, 8192), 1),
    "peers": (_peers, (8, 32, 128, 512), 5),
    "quantized": (_quantized, (1, 12, 128), 7),
    "class": (_class, (), 0),
    "soak": (_soak, (), 0),
    "lost": (_lost, (), 0),
    "start": (_start, (), 3),
    "first": (_first, (), 7),
    "mutations": (_mutations, (), 0),
}

if __name__ == "__main__":
    main()
