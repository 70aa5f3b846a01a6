"""What does attention look like as a graph, and where does a walk on it end up?

Attention weights are the random walk on a weighted directed graph. Here are masks by kind, graphs
of networkx and back, the classes, periods and spectrum of the walk, and how much a step mixes.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
