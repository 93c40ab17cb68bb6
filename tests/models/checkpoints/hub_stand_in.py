"""A small server that speaks as much of the hub's HTTP API as fetching a model takes."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class StandIn:
    """The running server: its address, and the files that were asked for."""

    endpoint: str
    served: list[str] = field(default_factory=list)


@contextmanager
def served(repositories: dict[str, Path], stated: dict[str, dict[str, int]] | None = None) -> Iterator[StandIn]:
    """Serve folders as repositories ("owner/name" → folder) on the branch `main` until the block ends.

    stated: how many numbers of which kind the hub says that a repository's weights have, where it says it
    """

    class Answers(_Answers):
        folders: ClassVar = repositories
        numbers: ClassVar = stated or {}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    stand_in = StandIn(f"http://127.0.0.1:{server.server_port}")
    Answers.served = stand_in.served
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answers(BaseHTTPRequestHandler):
    folders: ClassVar[dict[str, Path]]
    numbers: ClassVar[dict[str, dict[str, int]]]
    served: ClassVar[list[str]]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on the terminal."""

    def _answer(self, body: bool) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        asks_about = parts[:2] == ["api", "models"]
        asked = parts[2:] if asks_about else parts
        if len(asked) < 4:
            self._refuse("EntryNotFound", 404, body)
            return
        owner, name, action, revision, *rest = asked
        repository = f"{owner}/{name}"
        if owner == "gated":
            self._refuse("GatedRepo", 403, body)
        elif repository not in self.folders:
            self._refuse("RepoNotFound", 404, body)
        elif revision not in {"main", COMMIT}:
            self._refuse("RevisionNotFound", 404, body)
        elif asks_about:
            self._send(json.dumps(self._facts(repository, action)).encode(), body, "application/json")
        else:
            self._send_file(self.folders[repository] / "/".join(rest), body)

    def _facts(self, repository: str, action: str) -> object:
        files = {file.name: file.read_bytes() for file in sorted(self.folders[repository].iterdir())}
        if action == "tree":
            return [{"type": "file", "path": name, "size": len(raw), "oid": _blob(raw)} for name, raw in files.items()]
        siblings = [{"rfilename": name, "size": len(raw), "blobId": _blob(raw)} for name, raw in files.items()]
        facts = {"id": repository, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
        stated = self.numbers.get(repository)
        return {**facts, "safetensors": {"parameters": stated, "total": sum(stated.values())}} if stated else facts

    def _send_file(self, file: Path, body: bool) -> None:
        if body:
            self.served.append(file.name)
        raw = file.read_bytes()
        large = file.suffix == ".safetensors"  # Git LFS has them, under their SHA-256
        self._send(raw, body, "application/octet-stream", hashlib.sha256(raw).hexdigest() if large else _blob(raw))

    def _send(self, raw: bytes, body: bool, kind: str, name: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("ETag", f'"{name or _blob(raw)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(raw)

    def _refuse(self, code: str, status: int, body: bool) -> None:
        raw = json.dumps({"error": code}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("X-Error-Code", code)
        self.end_headers()
        if body:
            self.wfile.write(raw)


def _blob(raw: bytes) -> str:
    return hashlib.sha1(raw).hexdigest()
