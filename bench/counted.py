"""The server of `app.py`, and at /counts what became of the questions to its model: for `bench.classroom`."""

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from models.serving import queue
from ui.start import ahead


def counts(_request: Request) -> JSONResponse:
    """What became of the questions to the model, as JSON: see `models.serving.queue.Queue`."""
    return JSONResponse(queue.counted())


app = st.App("../page.py", lifespan=ahead, routes=[Route("/counts", counts)])
