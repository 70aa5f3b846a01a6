"""How far is the theorem from what blocks do, and what moves it?

The bound beside measured rates, the heads' lambda, the drivers of the LayerNorm std, and how near
worst, typical and real instances come to each bound.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
