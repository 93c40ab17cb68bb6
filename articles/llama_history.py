"""A5: a short English history of the Llama series."""

from articles import Article, Heading

ARTICLE = Article(
    key="A5",
    title="Llama 3",
    language="en",
    year=2024,
    headings=(
        Heading("tokens", "on Llama 3", "", "token vocabulary, 32K → 128K", "Vocabulary size: 32,000, then 128,256."),
        Heading("attention", "on Llama 3", "", "grouped query attention", "Grouped-query attention (GQA)."),
    ),
)
