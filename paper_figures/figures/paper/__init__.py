"""Do the paper's own figures and tables come out on models that can be had here?

Each is drawn beside the paper's values; those on fusion come from stored runs.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
