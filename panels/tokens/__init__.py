"""Panels of the first stage: a text as the model's tokens."""
