"""Does the exact law near consensus say what simulations and models do?

Beside simulations on many graphs, along a graph's eigenvalues, in phase diagrams from sweeps, and
in pretrained models.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
