"""A3: an English article on the architecture of large language models in general."""

from anatomy.language import N_
from articles import Article, Heading
from articles.measured import claim

ARTICLE = Article(
    key="A3",
    title="Understanding the Architecture of LLMs: Exploring the Intricacies of Language Model Design",
    named=N_("Understanding the Architecture of LLMs: Exploring the Intricacies of Language Model Design"),
    short=N_("LLM architecture"),
    language="en",
    year=None,
    headings=(
        Heading(
            "tokens",
            "§3",
            "Tokenization",
            "tokens; WordPiece",
            N_("Llama's tokenizer is byte-level BPE; WordPiece is BERT's."),
        ),
        Heading(
            "embedding",
            "§4",
            "Contextual Word Embeddings",
            "contextual against static embeddings",
            N_("The embedding itself is static; context enters in the layers above it."),
        ),
        Heading("attention", "§1", "Transformer Architecture", "self-attention"),
        Heading(
            "attention",
            "§5",
            "Attention Mechanism",
            "attention without a fixed-length window",
            N_("Bounded by the model's context length."),
        ),
        Heading("stack", "§6", "Layer Stacking", "layer stacking"),
        Heading(
            "output",
            "§2",
            "Pre-training and Fine-tuning",
            "predicting missing words",
            N_("Masked language modelling (BERT); Llama predicts the next token."),
        ),
        Heading(
            "scale",
            "§2",
            "Pre-training and Fine-tuning",
            "pre-training, fine-tuning",
            N_("Self-supervised pre-training, then supervised fine-tuning."),
        ),
    ),
    sections=((N_("introduction"), ""),),
    claims=(
        claim(
            "c-generates",
            N_("introduction"),
            N_("Large language models write connected text that fits what stood before."),
        ),
        claim("c-transformer", "§1", N_("The Transformer is what most of these models are built on.")),
        claim("c-weighing", "§1", N_("Attention gives the words of a sentence different weights.")),
        claim("c-two-stages", "§2", N_("Training has two stages, one on much text and one on a task.")),
        claim("c-missing-word", "§2", N_("In pre-training the model learns to fill in words that are missing.")),
        claim("c-self-supervised", "§2", N_("The first stage of training needs no labels.")),
        claim("c-knows-language", "§2", N_("The first stage gives the model a general sense of how language works.")),
        claim("c-fine-tuning", "§2", N_("In a second stage, examples with labels fit the model to one task.")),
        claim("c-subwords", "§3", N_("Text is cut into units from single characters to whole words.")),
        claim("c-languages", "§3", N_("Cutting text into tokens serves different languages.")),
        claim("c-oov", "§3", N_("A tokenizer copes with words that are not in the vocabulary.")),
        claim("c-fewer-tokens", "§3", N_("Cutting text into tokens keeps the amount of computation in check.")),
        claim("c-wordpiece", "§3", N_("BERT cuts its text by WordPiece."), about="BERT"),
        claim("c-special-token", "§3", N_("In BERT a special token represents the pieces of a word."), about="BERT"),
        claim(
            "c-contextual",
            "§4",
            N_("The same word gets another vector in another context, unlike in Word2Vec or GloVe."),
        ),
        claim("c-all-words", "§5", N_("Self-attention looks at every word of the input at once.")),
        claim("c-no-fixed-window", "§5", N_("Attention does without a window of fixed length.")),
        claim("c-long-range", "§5", N_("Self-attention finds links between words that are far from each other.")),
        claim("c-stack", "§6", N_("A large language model consists of layers, one above the other.")),
        claim("c-independent", "§6", N_("Each layer works by itself and hands its result to the next.")),
        claim("c-hierarchy", "§6", N_("Low layers catch simple features, high layers abstract ones.")),
        claim("c-depth", "§6", N_("It is depth that lets the model handle complex patterns.")),
    ),
)
