"""What is proved rather than tried, and how does anyone check that again?

Makers search with floats and write down what they found as a certificate: exact numbers that a
small checker turns into a proof, without trusting who made them. Each statement has a maker here
and a checker of its own in `theory.proofs.checkers`, a folder that stands alone; `stored` holds
certificates that come with the project. No file is read or written here.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
