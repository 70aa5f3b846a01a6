from theory.bounds.block_rounding import CoefficientBounds, coefficient_bounds
from theory.bounds.coefficients import Coefficients, WeightNorms, block_coefficients, weight_norms
from theory.bounds.implications import Convergence, convergence
from theory.bounds.rounding import distance_rounding, product_rounding

__all__ = [
    "CoefficientBounds",
    "Coefficients",
    "Convergence",
    "WeightNorms",
    "block_coefficients",
    "coefficient_bounds",
    "convergence",
    "distance_rounding",
    "product_rounding",
    "weight_norms",
]
