from simulations.law.comparison import Comparison, draw_network, law_beside_simulation
from simulations.law.critical import DRIVERS, CriticalPoints, Crossing, Driver, critical_points
from simulations.law.examples import Example, repelling, repelling_examples
from simulations.law.models import ModelLaw, model_law
from simulations.law.one_block import BlockLaw, block_law
from simulations.law.windows import Differences, simulate_differences

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
