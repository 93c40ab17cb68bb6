"""Panels of positions: how the order of tokens gets into the model."""
