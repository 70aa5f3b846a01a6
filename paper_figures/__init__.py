"""The paper's figures, computed, stored and drawn; and the command that stands on top.

The rooms, from the ground up: the workshop in which any figure is made, the pages that show them,
the sources of their numbers, the figures, and the command ``oversmooth``.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
