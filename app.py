"""Stagelight's server. Start it with `make run`, or `streamlit run app.py -- --model ADDRESS` for another model."""

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route

from ui import plotly_script
from ui.compressed import Compressed
from ui.start import ahead

script = Route(plotly_script.ROUTE, plotly_script.PlotlyScript(), methods=["GET", "HEAD"])
app = st.App("page.py", lifespan=ahead, routes=[script], middleware=[Middleware(Compressed)])
