"""A3: an English article on the architecture of large language models in general."""

from articles import Article, Heading

ARTICLE = Article(
    key="A3",
    title="Understanding the Architecture of LLMs: Exploring the Intricacies of Language Model Design",
    language="en",
    year=None,
    headings=(
        Heading(
            "tokens",
            "§3",
            "Tokenization",
            "tokens; WordPiece",
            "Llama's tokenizer is byte-level BPE; WordPiece is BERT's.",
        ),
        Heading(
            "embedding",
            "§4",
            "Contextual Word Embeddings",
            "contextual against static embeddings",
            "The embedding itself is static; context enters in the layers above it.",
        ),
        Heading("attention", "§1", "Transformer Architecture", "self-attention"),
        Heading(
            "attention",
            "§5",
            "Attention Mechanism",
            "attention without a fixed-length window",
            "Bounded by the model's context length.",
        ),
        Heading("stack", "§6", "Layer Stacking", "layers stacked on top of each other"),
        Heading(
            "output",
            "§2",
            "Pre-training and Fine-tuning",
            "predicting missing words",
            "Masked language modelling (BERT); Llama predicts the next token.",
        ),
    ),
)
