"""How large are matrices as maps, and between which two numbers is that for certain?

Singular values, spectral norms and the coupling of attention (the root of the paper's lambda), one
by one by LAPACK, or between certified ends for many matrices at once.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
