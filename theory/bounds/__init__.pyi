from theory.bounds.block_rounding import CoefficientBounds, coefficient_bounds
from theory.bounds.coefficients import Coefficients, WeightNorms, block_coefficients, weight_norms
from theory.bounds.implications import Convergence, convergence, log_factor
from theory.bounds.rounding import distance_rounding, product_rounding
from theory.bounds.saturating import saturation, saturation_factor
from theory.bounds.supremum import Suprema, Supremum, suprema

__all__ = [
    "CoefficientBounds",
    "Coefficients",
    "Convergence",
    "Suprema",
    "Supremum",
    "WeightNorms",
    "block_coefficients",
    "coefficient_bounds",
    "convergence",
    "distance_rounding",
    "log_factor",
    "product_rounding",
    "saturation",
    "saturation_factor",
    "suprema",
    "weight_norms",
]
