"""Which published and derived statements are here, and of what are their instances made?

`CATALOGUE` has every theorem and `TRENDS` every statement about rates by its key, chapter by
chapter: block, attention, rank_collapse, graph_networks, remedies, trends. The other names are the
classes of the theorems' instances; ``CATALOGUE[key].about`` says which of them a theorem is about.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
