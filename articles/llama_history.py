"""A5: a short English history of the Llama series."""

from anatomy.language import N_
from articles import Article, Heading
from articles.measured import claim

ARTICLE = Article(
    key="A5",
    title="Llama 3",
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
        claim("c-gpt3-style", N_("on Llama 1"), N_("Llama 1 was built after the pattern of GPT-3.")),
        claim("c-memory-attention", N_("on Llama 1"), N_("Llama 1 used a form of attention that saves memory.")),
        claim("c-smaller", N_("on Llama 1"), N_("Its models are smaller than those it competes with.")),
        claim(
            "c-instructed",
            N_("on Llama 2"),
            N_("Llama 2 was taught to follow instructions, by examples and by reinforcement."),
        ),
        claim(
            "c-training-data", N_("on Llama 3"), N_("Training data grew from one to two to fifteen trillion tokens.")
        ),
        claim(
            "c-gqa", N_("on Llama 3"), N_("Llama 3 brought attention in which heads share keys and values in groups.")
        ),
        claim("c-vocab", N_("on Llama 3"), N_("The vocabulary grew from 32K to 128K tokens.")),
        claim(
            "c-less-regularization", N_("on Llama 3"), N_("With so much data there is less need for regularization.")
        ),
        claim("c-lora", N_("on Llama 3"), N_("Llama 3 is fine-tuned by LoRA.")),
        claim("c-torchtune", N_("on Llama 3"), N_("Meta's library Torchtune is used for that.")),
    ),
)
