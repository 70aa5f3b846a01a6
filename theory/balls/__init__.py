"""What is certain of a theorem on one instance, all rounding included?

Numbers are rationals as long as they can be, and else Arb's balls: a midpoint and a radius, and the
true number lies between. Every kernel of this project takes arrays of them, as it takes those of
any library that follows the array API standard; what the balls leave open is said to be open.
`certify` tries a theorem on an instance in that way. Needs python-flint, the extra `proof`.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
