"""Which random stacks are studied, and what are they drawn from?

A `Stack` says everything that defines one: shapes, ensemble, gains, norms, mask. Blocks and tokens
follow from it and a seed, the same on every machine and backend; masks and graphs go by name.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
