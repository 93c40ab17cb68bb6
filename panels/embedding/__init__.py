"""Panels of token embeddings: a row of a table for each token."""
