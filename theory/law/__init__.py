"""At which rate do small differences between tokens vanish or grow, exactly?

Near consensus attention is the walk on its mask and a block is linear. Here are the orbit of the
token that all are equal to, the rate of each mode of a graph, what happens at finite depth, and
what the linear law leaves out.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
