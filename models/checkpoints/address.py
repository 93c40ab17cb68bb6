"""What an address of a checkpoint is, by its spelling alone."""

import re

_PATH = re.compile(r"[.~/\\]|[A-Za-z]:[/\\]|.*\.gguf$", re.IGNORECASE | re.DOTALL)


def is_path(address: str) -> bool:
    """Whether an address is the path of a folder or file: it begins with . / ~ or a drive, or ends in .gguf."""
    return _PATH.match(address) is not None
