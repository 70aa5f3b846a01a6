"""How alike are the tokens, how many directions do they span, how far are they from M?

One name and one definition for each measure, with padding left out and any scale of the tokens
allowed; of attention weights, how alike and how spread out they are. Torch can differentiate them
(with no slope at consensus) and map them by torch.func.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
