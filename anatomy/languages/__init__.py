"""The catalogues: one .po file per language that is not the code's own. `python -m anatomy.languages` renews them."""
