"""Panels of the residual stream: what each part adds to it."""
