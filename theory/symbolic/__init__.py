"""Which closed forms can be derived, rather than typed in?

With sympy: the block coefficient, its thresholds and its floor, the Lipschitz constants of the
activations, the Jacobians of the norms, the law near consensus, and claims of the catalogue.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
