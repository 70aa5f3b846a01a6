from paper_figures.workshop.bibliography import cite
from paper_figures.workshop.build import Caption, Figure, Outcome, Settings, make, render, select
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.drawing import draw_band, draw_graph, where_one

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
