"""The reverse proxies that docs/ has a configuration for, run as it says: only the addresses are of this machine."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.server import ROOT, free_port, stop, until_it_answers

_BEHIND = "127.0.0.1:8501"  # the server, in every documented configuration
_NGINX = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    {text}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A program that stands before the server.

    name     of the program
    file     its configuration in docs/
    listens  how that says where it listens
    here     the same for a port of this machine
    whole    what a configuration of its own needs around that text
    command  from the file that it is to read
    """

    name: str
    file: str
    listens: str
    here: str
    whole: str
    command: Callable[[Path], Sequence[str]]

    @property
    def installed(self) -> bool:
        """Whether the program is on this machine's path."""
        return shutil.which(self.name) is not None

    def configured(self, port: int, behind: int) -> str:
        """The documented configuration, listening on one port of this machine for the server on another.

        ValueError where the documented file no longer says what is replaced.
        """
        text = (ROOT / "docs" / self.file).read_text("utf-8")
        for said, meant in ((self.listens, self.here.format(port=port)), (_BEHIND, f"127.0.0.1:{behind}")):
            if said not in text:
                raise ValueError(f"docs/{self.file} does not say {said!r}: write it so, or change bench/proxy.py")
            text = text.replace(said, meant)
        return self.whole.format(text=text)

    @contextmanager
    def before(self, behind: int) -> Iterator[int]:
        """The proxy running before the server on that port; yields its own. RuntimeError where it does not answer."""
        port = free_port()
        with tempfile.TemporaryDirectory() as made:
            file, log = Path(made) / self.file, Path(made) / "log.txt"
            file.write_text(self.configured(port, behind), "utf-8")
            at_home = os.environ | {"HOME": made, "XDG_DATA_HOME": made, "XDG_CONFIG_HOME": made}
            with (
                log.open("w") as out,
                subprocess.Popen(self.command(file), cwd=made, env=at_home, stdout=out, stderr=out) as process,
            ):
                try:
                    until_it_answers(port, process, log)
                    yield port
                finally:
                    stop(process)


PROXIES = (
    Proxy(
        "nginx",
        "nginx.conf",
        listens="listen 80;",
        here="listen 127.0.0.1:{port};",
        whole=_NGINX,
        command=lambda file: ("nginx", "-p", f"{file.parent}/", "-c", str(file)),
    ),
    Proxy(
        "caddy",
        "Caddyfile",
        listens="stagelight.example.org {",
        here="http://127.0.0.1:{port} {{",
        whole="{{\n\tadmin off\n}}\n{text}",
        command=lambda file: ("caddy", "run", "--adapter", "caddyfile", "--config", str(file)),
    ),
)
