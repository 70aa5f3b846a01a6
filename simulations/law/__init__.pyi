from simulations.law.comparison import Comparison, law_beside_simulation
from simulations.law.critical import CriticalPoints, critical_points
from simulations.law.crossings import Crossing
from simulations.law.differences import Differences, simulate_differences
from simulations.law.drivers import DRIVERS, Driver
from simulations.law.examples import Example, repelling, repelling_examples
from simulations.law.models import ModelLaw, model_law
from simulations.law.networks import draw_network
from simulations.law.one_block import BlockLaw, block_law

__all__ = [
    "DRIVERS",
    "BlockLaw",
    "Comparison",
    "CriticalPoints",
    "Crossing",
    "Differences",
    "Driver",
    "Example",
    "ModelLaw",
    "block_law",
    "critical_points",
    "draw_network",
    "law_beside_simulation",
    "model_law",
    "repelling",
    "repelling_examples",
    "simulate_differences",
]
