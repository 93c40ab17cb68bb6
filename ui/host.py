"""What runs once per server: the recorded first view, and the models, loaded in the background while it is shown."""

import gc
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock, Thread

import streamlit as st

from anatomy.language import N_
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import DEFAULT_MODEL
from models.engine import Engine, Progress, Refused, connect
from models.recorded import FIRST_VIEW, NotRecorded
from models.store import Store

ARRAYS_KEPT = 384 << 20  # bytes
VARIABLE = "STAGELIGHT_MODEL"
DEFAULT_MODELS = (DEFAULT_MODEL, "minilm-l6")  # a decoder, and an encoder to hold claims against
_LOG = logging.getLogger(__name__)


class Loading(Exception):
    """The model that could answer is not there yet."""


class Model:
    """One model of this server: loaded once, in the background, from the moment somebody asks for it.

    progress   how far the loading is
    """

    def __init__(self, address: str, recorded: Engine | None) -> None:
        self.address = address
        self.progress = Progress(N_("starting the model"))
        self._refused: Refused | None = None
        self._recorded = recorded
        self._live: Store | None = None
        self._start = Lock()
        self._thread: Thread | None = None

    @property
    def ready(self) -> bool:
        """The model is loaded, or it never will be."""
        return self._live is not None or self._refused is not None

    @property
    def failure(self) -> str | None:
        """Why it did not load, as a sentence in the reader's language; None while it may still."""
        return None if self._refused is None else str(self._refused)

    @property
    def live(self) -> bool:
        """The model itself answers, not only a recording."""
        return self._live is not None

    def begin(self) -> None:
        """Start loading, if nobody has yet."""
        with self._start:
            if self._thread is None:
                self._thread = Thread(target=self._load, name=f"load {self.address}", daemon=True)
                self._thread.start()

    def spec(self) -> ModelSpec:
        """What kind of model it is. Loading: not known yet. Refused: it cannot be had."""
        known = self._live or self._recorded
        if known is None:
            raise self._absent()
        return known.specs()[0]

    def run(self, run: Run, wants: Iterable[Want] = ()) -> Trace:
        """The answer from the loaded model, until then from the recording. Loading: neither has it yet."""
        if self._live is not None:
            return self._live.get(run, wants)
        if self._recorded is not None:
            with suppress(NotRecorded):
                return self._recorded.run(run, wants)
        raise self._absent()

    def _absent(self) -> Exception:
        """Why nobody can answer now."""
        return Loading() if self._refused is None else self._refused

    def _load(self) -> None:
        try:
            self._live = Store(connect(self.address, self._report), ARRAYS_KEPT)
        except Refused as refused:
            self._refused = refused
            return
        except Exception as error:
            _LOG.exception("loading %s failed", self.address)
            kind = type(error).__name__
            told = N_("The model {address} could not be loaded ({kind}): see the server's log.")
            self._refused = Refused(told, address=self.address, kind=kind)
            return
        # What was just loaded stays for good: the collector need not walk it after every rerun.
        gc.collect()
        gc.freeze()

    def _report(self, progress: Progress) -> None:
        self.progress = progress


@st.cache_resource(show_spinner=False)
def models() -> dict[str, Model]:
    """This server's models by the name that stands in links; the first one is shown when a link names none."""
    hosted = {name(address): address for address in addresses(sys.argv[1:], os.environ.get(VARIABLE, ""))}
    return {
        shown: Model(address, _recording() if shown == DEFAULT_MODEL else None) for shown, address in hosted.items()
    }


def _recording() -> Engine | None:
    """The first view of the default model, as it was recorded; None in a copy of the program without it."""
    return connect(f"recorded:{FIRST_VIEW}") if FIRST_VIEW.exists() else None


def addresses(arguments: list[str], variable: str) -> list[str]:
    """Where the models come from: `--model ADDRESS` (repeated for several), else the variable (commas between
    several), else the two that the page is made for. Set by whoever starts the server, never by a link."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--model", action="append", default=[])
    given = parser.parse_known_args(arguments)[0].model
    given = given or [part.strip() for part in variable.split(",") if part.strip()]
    return [part if ":" in part else f"local:{part}" for part in given or DEFAULT_MODELS]


def name(address: str) -> str:
    """The name of a model in links: the last part of its address."""
    return address.partition(":")[2].rstrip("/").rsplit("/", 1)[-1]
