"""What comes of training with and without a fusion of the layers?

A `Recipe` says all that decides a run; runs are paired by seed, survive a kill and end bit for bit
the same. One of two rooms, beside the backends, in which torch is imported, and only to train.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
