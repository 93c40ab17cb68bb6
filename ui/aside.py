"""Beside a stage: where the articles that readers come from speak of it, and what the field calls it."""

from html import escape

import streamlit as st

import articles
from anatomy.stages import Stage
from articles import Article, Heading


def articles_on(stage: Stage) -> None:
    """The list for one stage."""
    cards = "".join(_card(article, heading) for article, heading in articles.headings(stage.id))
    st.html(f'<aside class="articles"><h3>What the articles say</h3>{cards}</aside>')


def _card(article: Article, place: Heading) -> str:
    year = f" · {article.year}" if article.year else ""
    lines = [
        f'<p class="where"><b>{escape(article.key)}{year}</b> {escape(place.section)}</p>',
        f'<p class="term" lang="{escape(article.language)}">{escape(place.title or place.term)}</p>',
    ]
    if place.title and place.term and place.term != place.title:
        lines.append(f'<p class="called" lang="{escape(article.language)}">{escape(place.term)}</p>')
    if place.standard:
        lines.append(f'<p class="standard">{escape(place.standard)}</p>')
    lines.append(f'<p class="article" lang="{escape(article.language)}">{escape(article.title)}</p>')
    return f'<div class="place">{"".join(lines)}</div>'
