"""Panels of the output: from the last stream to the next token."""
