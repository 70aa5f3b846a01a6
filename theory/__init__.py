"""Mathematics on arrays: what a block does, what is measured of it, and what can be refuted.

Pure functions on arrays of any library, and statements as data. Each room below answers questions
of one kind and offers its names at its door; nothing here knows a device, a file or a plot.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
