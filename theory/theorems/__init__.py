"""Which published and derived statements are here as runnable, checked theorems?"""

from typing import Any

from theory.statements import Theorem
from theory.theorems import (
    fusion_bounds,
    fusion_gate,
    norm_limits,
    norms,
    post_norm,
    shi2022_activations,
    shi2022_block,
    shi2022_lemmas,
    tau_temperature,
)

_ALL: tuple[Theorem[Any], ...] = (
    shi2022_lemmas.LINEAR,
    *shi2022_activations.ACTIVATION_THEOREMS,
    shi2022_activations.GELU_WITH_RELU_CONSTANT,
    shi2022_lemmas.WEIGHTED_SUM,
    shi2022_lemmas.ATTENTION,
    norms.LAYER_NORM,
    norm_limits.LAYER_NORM_PARTITION,
    norm_limits.LAYER_NORM_GENERAL,
    norms.RMS_NORM,
    norm_limits.ROW_SCALING,
    *shi2022_block.BLOCK_THEOREMS,
    post_norm.V_LOWER_BOUND,
    tau_temperature.TAU_IS_A_TEMPERATURE,
    *fusion_bounds.FUSION_THEOREMS,
    *fusion_gate.GATE_THEOREMS,
)

CATALOGUE: dict[str, Theorem[Any]] = {theorem.key: theorem for theorem in _ALL}
"""Every theorem by its key."""

assert len(CATALOGUE) == len(_ALL), "two theorems share a key"
