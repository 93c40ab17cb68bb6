"""The command line: `stagelight run` starts the page, `stagelight models` lists and fetches checkpoints."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from os import chdir, execv
from os import name as _system
from pathlib import Path
from subprocess import call
from sys import argv, executable

from anatomy.refused import Refused
from models.connect import adapters
from stagelight.version import __version__

ROOT = Path(__file__).parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: `stagelight run` and `stagelight models`. The exit code."""
    given = list(argv[1:] if arguments is None else arguments)
    if given[:1] == ["models"]:
        from models.__main__ import main as models

        return models(given[1:] or ["list"], "stagelight models")
    parser = ArgumentParser(prog="stagelight", description="See a transformer work, stage by stage, on your own text.")
    parser.add_argument("--version", action="version", version=f"stagelight {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="start the page",
        description="Start the page.",
        epilog="Whatever else is given is handed to `streamlit run`: stagelight run --server.port 8600",
    )
    run.add_argument("--model", action="append", default=[], metavar="ADDRESS", help="a model; may be repeated")
    run.add_argument("--adapter", action="append", default=[], metavar="NAME=FOLDER", help=_ADAPTER)
    commands.add_parser("models", help="the checkpoints that the catalog has; `models fetch NAME` fetches one")
    asked, rest = parser.parse_known_args(given)
    try:
        found = adapters(given)
    except Refused as refused:
        run.error(str(refused))
    return _serve(asked.model, found, rest)


_ADAPTER = "a LoRA adapter's folder, which models open with as MODEL~lora=NAME; may be repeated"


def _serve(models: Sequence[str], added: Mapping[str, Path], options: Sequence[str]) -> int:
    """Streamlit's server on the page of this checkout, in place of this process where the system can. options: for
    `streamlit run`; paths among the models' addresses are those of the folder that it is started from.

    added  the adapters by name
    """
    after = [word for model in models for word in ("--model", _absolute(model))]
    after += [word for name, folder in added.items() for word in ("--adapter", f"{name}={folder}")]
    command = [executable, "-m", "streamlit", "run", "app.py", *options, *(["--", *after] if after else [])]
    chdir(ROOT)
    if _system == "posix":
        execv(executable, command)
    try:
        return call(command)
    except KeyboardInterrupt:
        return 130


def _absolute(address: str) -> str:
    """An address whose path holds from any folder: what begins with a dot, and files of recordings."""
    kind, rest = address.partition(":")[::2]
    if kind == "recorded" and rest:
        return f"recorded:{Path(rest).absolute()}"
    return str(Path(address).absolute()) if address.startswith((".", "~")) else address
