"""What a running model is read by: hooks, its attention, what its layers are called with, and interventions."""
