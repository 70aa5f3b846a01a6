"""What do the instruments read, layer by layer, on whatever has tokens?

The same measures and verdicts for random stacks (`simulate`), blocks as arrays, pretrained models
(`analyze`), hidden states captured elsewhere, and one block by itself (`check_block`).
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
