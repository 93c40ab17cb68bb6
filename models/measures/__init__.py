"""Sites that are worked out of a run, one file for each measure; the registry gathers them."""
