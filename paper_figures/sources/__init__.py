"""Where do the figures' numbers come from, if not from the figure itself?

Real models on real sentences, stored fusion runs, summaries of sweeps, and what is kept of each
theorem: measured or read once, for all figures that draw it.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
