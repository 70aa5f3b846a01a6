from paper_figures.pages.inline_pictures import formula_lines, formula_pictures, graph_picture
from paper_figures.pages.instances import instance_html
from paper_figures.pages.statements import theorem_article, trend_article
from paper_figures.pages.theorems import theorem_page

__all__ = [
    "formula_lines",
    "formula_pictures",
    "graph_picture",
    "instance_html",
    "theorem_article",
    "theorem_page",
    "trend_article",
]
