from paper_figures.figures.families import (
    attention_graphs,
    law_by_family,
    rates_by_family,
    similarity_by_family,
)

__all__ = [
    "attention_graphs",
    "law_by_family",
    "rates_by_family",
    "similarity_by_family",
]
