"""On which real examples are the fusions trained, under which licence, split how?

Texts and images come from pinned packages, of which files are read and no code is run; how an
example is split into training, validation and test follows from the example alone.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
