"""Panels of scale: what grows with the model, and onto how many devices it is spread."""
