"""Can anything be found that refutes a theorem or a trend?

Random trials (`verify`) and a determined search (`attack`); counterexamples are rechecked in many
digits, made small, and kept in files that anyone can run again.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
