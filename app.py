"""Stagelight's page. Start it with `make run`, or `streamlit run app.py -- --model ADDRESS` for another model."""

from ui import page

page.draw()
