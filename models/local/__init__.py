"""The engine for a model in this process, with what it costs, what it refuses and what it keeps."""
