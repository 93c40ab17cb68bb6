"""An address → a folder with a checkpoint: found, fetched, converted and kept. Without torch."""
