"""What is said where enclosures are too wide to tell?"""


class UndecidedError(ArithmeticError):
    """A branch, a root or an order depends on a comparison that the enclosures leave open."""
