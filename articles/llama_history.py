"""A5: a short English history of the Llama series."""

from functools import partial

from anatomy.language import N_
from articles import Article, Heading
from articles.measured import claim as claim_of

claim = partial(claim_of, about="Llama 3")

ARTICLE = Article(
    key="A5",
    title="Llama 3",
    named=N_("Llama 3"),
    short=N_("Llama history"),
    language="en",
    year=2024,
    headings=(
        Heading(
            "tokens", N_("on Llama 3"), "", "token vocabulary, 32K → 128K", N_("Vocabulary size: 32,000, then 128,256.")
        ),
        Heading("attention", N_("on Llama 3"), "", "grouped query attention", N_("Grouped-query attention (GQA).")),
        Heading(
            "scale",
            N_("on Llama 3"),
            "",
            "15 trillion tokens, LoRA, Torchtune",
            N_("Pre-training, then supervised fine-tuning, rejection sampling and DPO."),
        ),
    ),
    sections=(
        (N_("on Llama 1"), ""),
        (N_("on Llama 2"), ""),
    ),
    claims=(
        claim("c-gpt3-style", N_("on Llama 1"), N_("Llama 1 was built after the pattern of GPT-3."), about="Llama 1"),
        claim(
            "c-memory-attention",
            N_("on Llama 1"),
            N_("Llama 1 used a form of attention that saves memory."),
            about="Llama 1",
        ),
        claim(
            "c-smaller",
            N_("on Llama 1"),
            N_("The models of Llama 1 are smaller than those they compete with."),
            about="Llama 1",
        ),
        claim(
            "c-instructed",
            N_("on Llama 2"),
            N_("Llama 2 was taught to follow instructions, by examples and by reinforcement."),
            about="Llama 2",
        ),
        claim(
            "c-training-data",
            N_("on Llama 3"),
            N_("From Llama 1 to 3, training data grew from one to two to fifteen trillion tokens."),
            about="Llama 1, 2, 3",
        ),
        claim(
            "c-gqa", N_("on Llama 3"), N_("Llama 3 brought attention in which heads share keys and values in groups.")
        ),
        claim("c-vocab", N_("on Llama 3"), N_("With Llama 3 the vocabulary grew from 32K to 128K tokens.")),
        claim(
            "c-less-regularization",
            N_("on Llama 3"),
            N_("Llama 3 needs less regularization, because it is trained on so much data."),
        ),
        claim("c-lora", N_("on Llama 3"), N_("Llama 3 is fine-tuned by LoRA.")),
        claim("c-torchtune", N_("on Llama 3"), N_("Llama 3 is fine-tuned by means of Torchtune, Meta's own library.")),
    ),
)
