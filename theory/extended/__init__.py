"""How are kernels and theorems evaluated with more digits than float64 has?

`extended` turns arrays into arrays with more digits, and every kernel of this project takes them,
as it takes those of any library that follows the array API standard. Its error bounds shrink with
the eps of the digits there are. `recheck` tries a theorem on an instance in that way.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
