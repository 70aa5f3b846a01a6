"""What do the instruments read in any torch module that holds Transformer blocks?

`trace_model` watches one forward pass. A `Family` says what the parts of a block are called; how
they stand together is found, and what was read is compared with the model's own numbers.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
