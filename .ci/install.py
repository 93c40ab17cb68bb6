"""Installs a list of packages with the pip of this interpreter, and says meanwhile what comes and how large it is.

python .ci/install.py requirements.txt
"""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

LARGE = 20.0  # megabytes from which on a package is named
_FETCHED = re.compile(r"(?:Downloading|Using cached) (?:\S*/)?(\S+?)-\d\S*?\.(?:whl|tar\.gz|zip) \(([\d.]+) (\w+)\)")
_HERE = re.compile(r"Processing (\S*/(\S+?)-\d\S*?\.(?:whl|tar\.gz|zip))")  # a file of this machine, or of its network
_MEGABYTES = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


@dataclass
class Account:
    """What pip has said so far. sizes: megabytes by package."""

    sizes: dict[str, float] = field(default_factory=dict)

    def read(self, line: str) -> str | None:
        """What to say of a line of pip's; None where it is not worth one."""
        if found := _FETCHED.search(line):
            name, size, unit = found.groups()
            return self._came(name, float(size) * _MEGABYTES.get(unit, 0.0))
        if (found := _HERE.search(line)) and Path(found[1]).is_file():
            return self._came(found[2], Path(found[1]).stat().st_size / 1e6)
        if line.startswith("Installing collected packages"):
            return f"  {self.total}; now unpacking them"
        return None

    def _came(self, name: str, size: float) -> str | None:
        self.sizes[name] = size
        return f"  {name}: {size:,.0f} MB" if size >= LARGE else None

    @property
    def total(self) -> str:
        """All of it in words."""
        count = len(self.sizes)
        return f"{count} package{'s' if count != 1 else ''}, {sum(self.sizes.values()):,.0f} MB"


def main(requirements: str) -> int:
    """pip's exit code; its errors go on to standard error."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    began, account = monotonic(), Account()
    with subprocess.Popen([*command, "--requirement", requirements], stdout=subprocess.PIPE, text=True) as pip:
        for line in pip.stdout or ():
            said = account.read(line)
            if said is not None:
                print(said, flush=True)
    if pip.returncode == 0:
        print(f"  installed in {monotonic() - began:.0f} s", flush=True)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
