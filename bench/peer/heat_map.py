"""The plainest Streamlit page with a text and a figure: what the passage's times are held against."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

text = st.text_input("Text", "Paris is the capital of France. Berlin is the capital of")
words = [f"{place} {word}" for place, word in enumerate(text.split())]
numbers = np.random.default_rng(0).random((len(words), len(words)))
st.plotly_chart(go.Figure(go.Heatmap(z=numbers, x=words, y=words)), key="map")
