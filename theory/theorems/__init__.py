"""Which published and derived statements are here as runnable, checked theorems?"""

from theory.theorems.catalogue import CATALOGUE, TRENDS

__all__ = ["CATALOGUE", "TRENDS"]
