"""Which theorems and trends are there, by which keys?"""

from typing import Any

from theory.statements.theorem import Theorem
from theory.statements.trend import Trend
from theory.theorems.attention import (
    castin2024,
    dobrushin1956,
    dovonon2024,
    kim2021,
    residual,
    wang2022,
    wang2022_modes,
    wu2023,
    wu2024,
    zhai2023,
)
from theory.theorems.block import (
    cancellation,
    diameters,
    first_tokens,
    gated,
    norm_limits,
    norms,
    post_norm,
    saturation,
    shi2022_activations,
    shi2022_block,
    shi2022_lemmas,
    supremum,
    tau_temperature,
)
from theory.theorems.graph_networks import cai2020, cai2020_maps, huang2020, oono2020
from theory.theorems.rank_collapse import dong2021, dong2021_heads
from theory.theorems.remedies import fusion_bounds, fusion_gate
from theory.theorems.trends import (
    exact_law,
    geshkovski2023,
    geshkovski2025,
    giorlandino2026,
    karagodin2024,
    naitsaada2025,
    noci2022,
    wu2024_norm,
    xiong2020,
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
    gated.GATED_FEED_FORWARD,
    gated.BLOCK_V_GATED,
    gated.BLOCK_V_PARALLEL,
    diameters.BLOCK_V_DIAMETER,
    diameters.STACK_ENVELOPE,
    saturation.SATURATION,
    post_norm.V_LOWER_BOUND,
    supremum.SUPREMUM,
    supremum.BALL_AFTER_BLOCK,
    first_tokens.FIRST_V_FOREVER,
    cancellation.CANCELLATION,
    cancellation.CANCELLATION_ANY_MASK,
    tau_temperature.TAU_IS_A_TEMPERATURE,
    *fusion_bounds.FUSION_THEOREMS,
    *fusion_gate.GATE_THEOREMS,
    dobrushin1956.CONTRACTION,
    dobrushin1956.BIRKHOFF,
    dobrushin1956.COUPLING,
    wang2022.LOW_PASS,
    wang2022.ONE_STEP,
    wang2022.ONE_STEP_SHARP,
    wang2022.ONE_STEP_WITHOUT_N,
    wang2022_modes.SECOND_EIGENVALUE,
    wang2022_modes.SECOND_EIGENVALUE_BARE,
    huang2020.BIASED_CONVOLUTION,
    zhai2023.ENTROPY,
    castin2024.BALL,
    castin2024.BALL_SHARP,
    kim2021.L2_ATTENTION,
    kim2021.DOT_PRODUCT,
    wu2023.PRODUCTS,
    wu2024.MASKED,
    wu2024.WITHOUT_FLOOR,
    dovonon2024.TRANSVERSE,
    dovonon2024.RULING_PAIR,
    residual.EXACT,
    residual.BY_KAPPA,
    oono2020.CONVOLUTION,
    cai2020.SMOOTHING,
    cai2020.SMALLEST,
    cai2020_maps.LINEAR_ENERGY,
    cai2020_maps.RELU_ENERGY,
    dong2021.PATHS,
    dong2021.RANK_COLLAPSE,
    *dong2021_heads.HEAD_THEOREMS,
)

CATALOGUE: dict[str, Theorem[Any]] = {theorem.key: theorem for theorem in _ALL}
"""Every theorem by its key."""

assert len(CATALOGUE) == len(_ALL), "two theorems share a key"

_TRENDS: tuple[Trend, ...] = (
    *wu2024_norm.NORM_TRENDS,
    *geshkovski2023.LINE_TRENDS,
    *geshkovski2025.SPHERE_TRENDS,
    *karagodin2024.CAUSAL_TRENDS,
    *naitsaada2025.MARKOV_TRENDS,
    *noci2022.RESIDUAL_TRENDS,
    *giorlandino2026.ENTROPY_TRENDS,
    *xiong2020.INITIALISATION_TRENDS,
    *exact_law.LAW_TRENDS,
)

TRENDS: dict[str, Trend] = {trend.key: trend for trend in _TRENDS}
"""Every statement about rates, flows or expectations by its key."""

assert len(TRENDS) == len(_TRENDS), "two trends share a key"
assert not TRENDS.keys() & CATALOGUE.keys(), "a theorem and a trend share a key"
