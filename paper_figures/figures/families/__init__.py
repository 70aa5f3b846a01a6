"""Do Transformers of every kind behave as the paper's encoders do?

An encoder, one block that is repeated, a decoder and a model of images, side by side; a model that
is not installed leaves a panel that says how it is.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
