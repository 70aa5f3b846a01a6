"""How is a stack followed when its tokens differ by far less than round-off?

The mean token and the deviations are carried apart, the deviations with an exponent of their own,
so that a distance of 1e-300 has all its digits. `simulations.centred.rollout` runs whole stacks.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
