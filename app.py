"""Stagelight's server. Start it with `make run`, or `streamlit run app.py -- --model ADDRESS` for another model."""

import streamlit as st
from starlette.middleware import Middleware

from ui.compressed import Compressed
from ui.start import ahead

app = st.App("page.py", lifespan=ahead, middleware=[Middleware(Compressed)])
