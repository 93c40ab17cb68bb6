"""A1: an English overview of Llama 3.1's architecture."""

from articles import Article, Heading

ARTICLE = Article(
    key="A1",
    title="Understanding the Architecture of Llama 3.1: A Technical Overview",
    language="en",
    year=None,
    headings=(
        Heading(
            "position",
            "§2b",
            "Positional Encoding",
            "positional encoding added to the embedding",
            "Llama rotates queries and keys instead: rotary position embedding (RoPE).",
        ),
        Heading("attention", "§2a", "Transformer Blocks", "multi-head attention"),
        Heading(
            "ffn",
            "§2a",
            "Transformer Blocks",
            "feedforward neural network",
            "In Llama the gated kind, SwiGLU.",
        ),
        Heading("stack", "§2a", "Transformer Blocks", "stack of Transformer blocks"),
        Heading(
            "output",
            "§3a",
            "Pre-training and Fine-tuning",
            "predicting the next word",
            "Next-token prediction: pieces of words, not words.",
        ),
    ),
)
