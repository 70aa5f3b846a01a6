"""On what does it run: arrays and devices, cores, other processes, files, packages?

torch and CuPy come in through `backend` alone. Files are written so that no crash leaves half of
one and no flipped bit goes unseen; packages are read only where their sha256 is the pinned one.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
