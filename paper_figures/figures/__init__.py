"""Which figures are there, and what does each of them ask?

Three chapters: those of the paper, those about the bounds, those about the exact law. Each figure
is a file that bears its name; `FIGURES` has them all in the gallery's order.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
