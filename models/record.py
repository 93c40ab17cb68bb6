"""`python -m models.record`: writes what the first page shows, so that it is there before the model is."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from anatomy.request import Run, Want, choice
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from anatomy.storage import named_row
from anatomy.trace import Token
from anatomy.view import DEFAULT_MODEL, DEFAULT_TEXT, Fitted, View
from anatomy.wire import pack
from models.checkpoints.terminal import TerminalBar
from models.local.engine import LocalEngine
from models.local.load import load
from models.measure import sites_of
from models.measures import rerun
from models.serving.recorded import FIRST_VIEW

_EVERY_LAYER = ("pattern", "scores")
_ONE_TOKEN = ("resid_pre", "resid_post", "attn_out", "ffn_out")  # in every layer, of the chosen token alone
_OPEN_LAYER = tuple(site.name for site in SITES.values() if site.per_layer and not site.one_head and not site.of)
_OF_A_ROW = tuple(site.name for site in SITES.values() if site.of == "row")
_FOR_A_TOKEN = tuple(site.name for site in SITES.values() if site.for_token)
# Left out: what a second run gives differs from machine to machine, so it is only shown of the reader's own.
_OWN = sites_of(rerun.MEASURES)
_ONCE = tuple(
    site.name for site in SITES.values() if not (site.per_layer or site.for_token or site.of) and site.name not in _OWN
)
_LAST_ONLY = {"lens_kl"} | {site.name for site in SITES.values() if site.one_pos}


def first_view(spec: ModelSpec, tokens: tuple[Token, ...]) -> tuple[Want, ...]:
    """The wants of the page as it opens: all of the layer on view; of every layer its attention and the chosen token's
    stream; all that is reduced."""
    view = View().fit(spec, tokens)
    layers = [Want(site, layer) for site in _EVERY_LAYER for layer in range(spec.layers)]
    layers += [Want(site, layer, pos=view.pos) for site in _ONE_TOKEN for layer in range(spec.layers)]
    layer = [Want(site, view.layer, pos=_pos(site, view)) for site in _OPEN_LAYER]
    layer += [Want(site, view.layer, of=named_row("up", 0)) for site in _OF_A_ROW]  # the one that is opened with
    once = [Want(site, pos=_pos(site, view)) for site in _ONCE]
    best = [Want(site, pos=view.pos, token=choice(1)) for site in _FOR_A_TOKEN]
    return tuple(dict.fromkeys((*layers, *layer, *once, *best)))


def _pos(site: str, view: Fitted) -> int | None:
    """The chosen position for a site that is too large, or too slow, at every one."""
    return view.pos if site in _LAST_ONLY else None


def record(engine: LocalEngine) -> bytes:
    """The first view of the engine's model, as far as the model has it, packed. Same model, same bytes."""
    run = Run(engine.spec.id, DEFAULT_TEXT)
    wants = first_view(engine.spec, engine.run(run).tokens)
    return pack(engine.run(run, [want for want in wants if want.site not in engine.missing]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the recording and say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m models.record", description=__doc__)
    parser.add_argument("address", nargs="?", default=DEFAULT_MODEL, help="catalog name, folder or hub name")
    parser.add_argument("--to", type=Path, default=FIRST_VIEW, help="the file to write")
    chosen = parser.parse_args(arguments)
    with TerminalBar() as bar:
        data = record(load(chosen.address, bar))
    chosen.to.write_bytes(data)
    print(f"{chosen.to}: {len(data) / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
