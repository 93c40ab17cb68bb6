"""Panels of attention: which tokens each head looks at."""
