"""What does a Transformer block do to its tokens?

A block is data: the weights of its attention and feed-forward sublayers, its norms, its residual
scale and where the norms stand. `apply_block` runs one on any array library. Activations, layers
that share one attention matrix and the fusion of several layers are here too.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
