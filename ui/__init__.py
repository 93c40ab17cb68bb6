"""The page: the only place that imports streamlit."""
