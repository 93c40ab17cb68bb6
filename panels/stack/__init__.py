"""Panels of the stack: how the answer comes about from layer to layer."""
