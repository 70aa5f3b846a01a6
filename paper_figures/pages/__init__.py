"""How are figures and theorems shown on pages that need no network?

`paper_figures.pages.gallery` shows all figures; `theorem_page` every statement with what was found
against it. Formulas and graphs are drawn into the page.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
