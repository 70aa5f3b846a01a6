"""Which version of oversmooth is this?"""

from simulations.machine.provenance import version

__version__ = version("oversmooth")
