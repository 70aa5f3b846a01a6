"""What does the exact law say beside a simulation, the theorem, and real models?

`law_beside_simulation` puts all three on one graph; critical points are where law and theorem cross
1 along a driver; examples repel; models are read layer by layer.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
