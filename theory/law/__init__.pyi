from theory.law.cocycle import linear_distances, operator_rate
from theory.law.growth import transient_growth
from theory.law.jacobians import feed_forward_jacobian, norm_jacobian
from theory.law.orbits import Attractor, find_attractor
from theory.law.order import NextOrder, next_order
from theory.law.powers import PowerLaw, power_law
from theory.law.rates import ModeRates, mode_rates
from theory.law.synchronised import Linearised, linearise, synchronised_orbit, transverse_factor
from theory.law.transverse import LawReport, transverse_rates

__all__ = [
    "Attractor",
    "LawReport",
    "Linearised",
    "ModeRates",
    "NextOrder",
    "PowerLaw",
    "feed_forward_jacobian",
    "find_attractor",
    "linear_distances",
    "linearise",
    "mode_rates",
    "next_order",
    "norm_jacobian",
    "operator_rate",
    "power_law",
    "synchronised_orbit",
    "transient_growth",
    "transverse_factor",
    "transverse_rates",
]
