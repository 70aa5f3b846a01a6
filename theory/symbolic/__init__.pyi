from theory.symbolic.claims import formula
from theory.symbolic.coefficient import (
    block_coefficient,
    coefficient_floor,
    critical_spread,
    gated_coefficient,
    sharp_coefficient,
    std_threshold,
)
from theory.symbolic.law import explicit_first_order, first_order, two_tokens
from theory.symbolic.lemmas import product_identity
from theory.symbolic.maps import (
    cosine_from_distance,
    gate_stationarity,
    lipschitz_constant,
    tau_degeneracy,
    two_token_effective_rank,
)

__all__ = [
    "block_coefficient",
    "coefficient_floor",
    "cosine_from_distance",
    "critical_spread",
    "explicit_first_order",
    "first_order",
    "formula",
    "gate_stationarity",
    "gated_coefficient",
    "lipschitz_constant",
    "product_identity",
    "sharp_coefficient",
    "std_threshold",
    "tau_degeneracy",
    "two_token_effective_rank",
    "two_tokens",
]
