"""What runs once per server: its models, and what was recorded of the first view."""

import logging
import os
import sys

import streamlit as st

from anatomy.refused import Refused
from anatomy.view import DEFAULT_MODEL
from models.connect import adapters, connect
from models.engine import Engine
from models.serving.queue import Queue
from models.serving.recorded import FIRST_VIEW
from ui.addresses import addresses, named
from ui.hosted import HostedModel, Loading, watched
from ui.hosted_variants import Models

__all__ = ["VARIABLE", "HostedModel", "Loading", "models", "titled", "watched"]

VARIABLE = "STAGELIGHT_MODEL"
_LOG = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def models() -> Models:
    """This server's models by the name that stands in links, and variants of them; the first one is shown when a link
    names none. Refused where whoever started the server has named none behind `--model`, or adapters otherwise than
    they are named."""
    given = adapters()
    hosted = named(addresses(sys.argv[1:], os.environ.get(VARIABLE, "")))
    queue = Queue()
    own = {
        shown: HostedModel(address, _recording() if address == f"local:{DEFAULT_MODEL}" else None, queue, len(hosted))
        for shown, address in hosted.items()
    }
    return Models(own, queue, given)


def titled(name: str) -> str:
    """A model of this server as the choice shows it: its title where it is known, and its name in links where it is
    not, where it is one of several folders of one name, or with the title where another model has the same. Of a
    variant the same of its base, and what is altered."""
    base, alterations = models().read(name)
    if alterations:
        return " · ".join((titled(base), *(one.short for one in alterations)))
    if "/" in name:
        return name
    title = _title(name)
    same = sum(_title(other) == title for other in models())
    return title if same < 2 or title == name else f"{title} · {name}"


def _title(name: str) -> str:
    try:
        return models()[name].spec().weights.title or name
    except (Loading, Refused):
        return name


def _recording() -> Engine | None:
    """The first view of the default model, as it was recorded; None in a copy of the program in which it is not there
    or damaged: the model does without."""
    try:
        return connect(f"recorded:{FIRST_VIEW}") if FIRST_VIEW.exists() else None
    except Refused as refused:
        _LOG.warning("%s", refused)
        return None
