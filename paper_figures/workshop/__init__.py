"""With what is any figure made: computed, stored as data, then drawn?

A `Figure` is two functions and a caption. `make` runs it, stores a `Dataset` with its provenance,
and draws only what was stored; what several figures draw alike is here too.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
