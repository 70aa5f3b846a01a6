"""How alike are the tokens, how many directions do they span, how far are they from M?

One name and one definition for each measure, with padding left out and any scale of the tokens
allowed; of attention weights, how alike and how spread out they are.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
