"""The manifest of a folder in the cache: what was made, so that damage is seen; whatever else is in it is odd."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

MANIFEST = "stagelight.json"
LAYOUT = 2  # raise it when a folder made by an older version must be made anew
_LONGEST = 1 << 20  # bytes of a manifest that is read; ours have about 500
_LARGEST = 1 << 50  # bytes of a file that anybody has

Card = dict[str, str]  # what is known of a checkpoint that no catalog describes


@dataclass(frozen=True)
class Manifest:
    """What a folder's manifest says.

    layout  the version of what is in the folder; of another one than LAYOUT nothing else is read, and all is empty
    files   bytes of each file, by name
    sha256  of each file, by name, in hex
    """

    layout: int
    card: Card
    files: dict[str, int]
    sha256: dict[str, str]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where it is missing or odd. PermissionError where it may not be read."""
    file = folder / MANIFEST
    try:
        if file.stat().st_size > _LONGEST:
            return None
        found = json.loads(file.read_bytes())
    except PermissionError:
        raise
    except (OSError, ValueError, RecursionError):
        return None
    return _manifest(found)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest. OSError where that cannot be done."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), "utf-8")


def _manifest(found: Any) -> Manifest | None:
    """What was read, if each value is of its kind and each file lies in the folder itself."""
    if not isinstance(found, dict):
        return None
    layout, card, files, sha256 = (found.get(name) for name in ("layout", "card", "files", "sha256"))
    if type(layout) is not int:
        return None
    if layout != LAYOUT:
        return Manifest(layout, {}, {}, {})
    if not (_texts(card) and _sizes(files) and _digests(sha256)) or sha256.keys() != files.keys():
        return None
    return Manifest(layout, card, files, sha256)


def _texts(card: Any) -> TypeGuard[Card]:
    return isinstance(card, dict) and all(isinstance(text, str) and _whole(text) for text in card.values())


def _whole(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which JSON can hold and no page can show."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _sizes(files: Any) -> TypeGuard[dict[str, int]]:
    """Whether these are files that a folder can have; a folder without any is no checkpoint."""
    if not isinstance(files, dict) or not files:
        return False
    return all(_plain(name) and type(size) is int and 0 <= size < _LARGEST for name, size in files.items())


def _plain(name: str) -> bool:
    """Whether a name stays inside its folder, on every system."""
    return bool(re.fullmatch(r"[\w][\w. +@-]*", name))


def _digests(sha256: Any) -> TypeGuard[dict[str, str]]:
    if not isinstance(sha256, dict):
        return False
    return all(isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest) for digest in sha256.values())
