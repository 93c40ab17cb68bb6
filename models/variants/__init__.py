"""A model like another one, some of its weights changed and all the others shared with it."""
