"""What stands between many readers and one model: a store, a queue, a recording. Without torch."""
