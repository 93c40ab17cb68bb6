"""A1: an English overview of Llama 3.1's architecture."""

from functools import partial

from anatomy.language import N_
from articles import Article, Heading
from articles.measured import claim as claim_of

claim = partial(claim_of, about="Llama 3.1")

ARTICLE = Article(
    key="A1",
    title="Understanding the Architecture of Llama 3.1: A Technical Overview",
    named=N_("Understanding the Architecture of Llama 3.1: A Technical Overview"),
    short=N_("Llama 3.1 overview"),
    language="en",
    year=None,
    headings=(
        Heading(
            "position",
            "§2b",
            "Positional Encoding",
            "positional encoding added to the embedding",
            N_("Llama rotates queries and keys instead: rotary position embedding (RoPE)."),
        ),
        Heading("attention", "§2a", "Transformer Blocks", "multi-head attention"),
        Heading(
            "ffn",
            "§2a",
            "Transformer Blocks",
            "feedforward neural network",
            N_("In Llama the gated kind, SwiGLU."),
        ),
        Heading("stack", "§2a", "Transformer Blocks", "stack of Transformer blocks"),
        Heading(
            "output",
            "§3a",
            "Pre-training and Fine-tuning",
            "predicting the next word",
            N_("Next-token prediction: pieces of words, not words."),
        ),
        Heading(
            "scale",
            "§3",
            "Training and Optimization",
            "computing and data",
            N_("Arithmetic per token × tokens read: 6 operations per parameter and token."),
        ),
        Heading(
            "scale",
            "§3b",
            "Efficient Training Strategies",
            "mixed-precision training, gradient checkpointing",
            N_("bfloat16 with sums and updates in 32 bits; activation checkpointing (recomputation)."),
        ),
    ),
    sections=(
        ("§1", "Introduction to Llama 3.1"),
        ("§2", "Core Architecture"),
        ("§4", "Analysis and Performance"),
    ),
    claims=(
        claim("c-generates", "§1", N_("The model writes text that could be a person's.")),
        claim("c-transformer", "§2", N_("Llama 3.1 is a Transformer at its core.")),
        claim("c-long-range", "§2", N_("A Transformer connects words that stand far apart."), about=""),
        claim("c-stack", "§2a", N_("The model is a stack of equal Transformer blocks.")),
        claim(
            "c-two-parts",
            "§2a",
            N_("A block has two main parts, attention with several heads and a feed-forward network."),
        ),
        claim("c-multihead", "§2a", N_("The heads look at different places of the text at the same time.")),
        claim("c-transforms-attention", "§2a", N_("The feed-forward network works on what attention gives out.")),
        claim("c-nonlinear", "§2a", N_("The feed-forward network makes the model non-linear.")),
        claim("c-parallel", "§2b", N_("All tokens of a text are worked on at once, not one after the other.")),
        claim("c-order", "§2b", N_("Only positional encoding lets the model know in which order the words stand.")),
        claim(
            "c-added-position",
            "§2b",
            N_("Each token's embedding has a vector of its own added for the place where it stands."),
        ),
        claim("c-places-known", "§2b", N_("From the positions the model can tell how words stand to each other.")),
        claim("c-compute", "§3", N_("Training such a model takes a great deal of computing and of data."), about=""),
        claim("c-mixed-learning", "§3", N_("The model is trained both with labels and without.")),
        claim("c-two-stages", "§3a", N_("The model is trained in two stages, first in general, then for tasks.")),
        claim("c-next-word", "§3a", N_("In pre-training the model learns to name the word that comes next.")),
        claim("c-knows-language", "§3a", N_("Pre-training teaches the model grammar, facts and common sense.")),
        claim(
            "c-fine-tuning", "§3a", N_("Fine-tuning on a smaller set of examples fits the model to one task or field.")
        ),
        claim(
            "c-mixed-precision",
            "§3b",
            N_("Computing with fewer bits saves time and memory and costs no accuracy."),
            about="",
        ),
        claim(
            "c-checkpointing",
            "§3b",
            N_("Training saves memory by keeping some activations and computing the others again."),
            about="",
        ),
        claim("c-results", "§4", N_("On tests such as translation and summaries the model beats those before it.")),
    ),
)
