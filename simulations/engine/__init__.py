"""What do many random stacks read, faster than one by one?

A survey shares draws over a grid of gains, streams in small pieces through a bounded memory, on one
core, many, or a GPU, and brackets what it judges.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
