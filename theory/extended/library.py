"""Which functions of the array API standard are there for arrays with more digits?

Those that the kernels call, on real numbers; no complex ones. Functions of single numbers are in
`theory.extended.numbers`, of entries one by one in `elementwise`; arrays come from `core` and
`creation`, change their shape in `shapes`, are summed and sorted in `reductions` and taken apart in
`decompositions`.
"""

from functools import cache

from theory.extended.creation import Creation
from theory.extended.decompositions import Decompositions
from theory.extended.numbers import Numbers, Reals
from theory.extended.reductions import Reductions
from theory.extended.shapes import Shapes


class Library(Reductions, Creation, Shapes):
    """The namespace of arrays with one number of digits: get it from `library`."""

    def __init__(self, reals: Numbers) -> None:
        super().__init__(reals)
        self.linalg = Decompositions(self)


@cache
def library(digits: int) -> Library:
    """Return the namespace of arrays with so many digits, the same object every time.

    Raises: InputError if there are fewer than 20 or more than 250 digits
    """
    return Library(Reals(digits))
