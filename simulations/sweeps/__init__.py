"""How is a grid of stacks computed through crashes, on one machine or many?

A sweep is a file that names axes, seeds and quantities; each cell is kept, checksummed, as soon as
it is done; the store is read as one labelled data set. Needs the extra ``sweep``.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
