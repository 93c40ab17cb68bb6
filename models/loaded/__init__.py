"""A model that has been loaded: its parts found, its facts known, and what its parameters alone give."""
