from paper_figures.workshop.bands import draw_band
from paper_figures.workshop.bibliography import cite
from paper_figures.workshop.build import Caption, Figure, Outcome, Settings, make, render, select
from paper_figures.workshop.crossings import where_one
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.token_graphs import draw_graph

__all__ = [
    "Caption",
    "Dataset",
    "Figure",
    "Outcome",
    "Settings",
    "Variable",
    "cite",
    "draw_band",
    "draw_graph",
    "make",
    "render",
    "select",
    "where_one",
]
