"""What is a pretrained model here, and which tokens are a text for it?

Encoders, decoders and models of images, read without torch as this project's own blocks: found by
name, file, folder or hub id, with their tokenizer and their forward pass, and with texts to show
them.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
