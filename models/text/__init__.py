"""A text → tokens: spelling, merges, chat templates."""
