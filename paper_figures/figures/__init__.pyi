from paper_figures.figures import bounds, exact_law, families, paper
from paper_figures.figures.catalogue import FIGURES, make_figures

__all__ = ["FIGURES", "bounds", "exact_law", "families", "make_figures", "paper"]
