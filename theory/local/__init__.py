"""By how much can a trained block stretch the distance to M, on every input in a ball?

The theorem's v belongs to the given tokens alone. Here is a bound for all tokens near them, with
every rounding counted: Taylor's formula for softmax attention, norms and GELU, with remainders that
are bounded in closed form or by factorisations that succeed.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
