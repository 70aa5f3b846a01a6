from paper_figures.figures.families import (
    attention_graphs,
    rates_by_family,
    similarity_by_family,
)

__all__ = [
    "attention_graphs",
    "rates_by_family",
    "similarity_by_family",
]
