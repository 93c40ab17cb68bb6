"""The words everybody shares: sites, specs, questions, answers, stages, views. Standard library and numpy only."""
