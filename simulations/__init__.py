"""Machines, randomness and files: the instruments of `theory` on stacks, models and captures.

Each room below answers questions of one kind and offers its names at its door. What a notebook
wants of them is at the front door, `oversmooth`.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
