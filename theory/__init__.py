"""Pure mathematics on arrays: layers, graphs, measures, and theorems that can be refuted."""

from theory.arrays import InputError
from theory.blocks.activations import ACTIVATIONS, activation
from theory.blocks.forward import apply_block, attend, attention_adjacency, feed_forward
from theory.blocks.fusion import concat_fusion, gate_fusion, max_fusion
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.sharing import apply_shared, attention_flops
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.bounds.block_rounding import CoefficientBounds, coefficient_bounds
from theory.bounds.coefficients import Coefficients, WeightNorms, block_coefficients, weight_norms
from theory.bounds.implications import Convergence, convergence
from theory.extended.verdicts import ExtendedVerdict, check_extended, extended, recheck
from theory.graphs.chains import (
    closed_classes,
    periods,
    radius,
    spectral_gap,
    spectrum,
    stationary_distributions,
)
from theory.graphs.conversions import from_networkx, random_walk, symmetric_adjacency, to_networkx
from theory.graphs.masks import block_mask, causal_mask, full_mask, graph_mask, window_mask
from theory.graphs.stochastic import dobrushin_coefficient, is_row_stochastic
from theory.law.cocycle import linear_distances, operator_rate, transient_growth
from theory.law.jacobians import feed_forward_jacobian, norm_jacobian
from theory.law.orbits import Attractor, find_attractor
from theory.law.order import NextOrder, next_order
from theory.law.powers import PowerLaw, power_law
from theory.law.rates import ModeRates, mode_rates
from theory.law.synchronised import Linearised, linearise, synchronised_orbit, transverse_factor
from theory.law.transverse import LawReport, transverse_rates
from theory.measures.diameters import projective_diameter, token_diameter
from theory.measures.subspace import Subspace, consensus, distance, general, partition, project
from theory.measures.tokens import (
    TokenMeasures,
    attention_entropy,
    attention_similarity,
    consensus_distance,
    cosine_similarity,
    dirichlet_energy,
    dong_residual,
    effective_rank,
    high_frequency_ratio,
    mean_average_distance,
    measure_tokens,
    participation_rank,
    rank_one_fraction,
    relative_distance,
    stable_rank,
)
from theory.spectra.norms import coupling, spectral_norm
from theory.statements.check import check
from theory.statements.judgement import Judgement, judge
from theory.statements.theorem import Hypothesis, Theorem
from theory.statements.trend import Evidence, Interval, Trend
from theory.statements.verdict import Verdict
from theory.theorems.attention.castin2024 import AttentionPair
from theory.theorems.attention.dovonon2024 import LinearStack
from theory.theorems.attention.kim2021 import DistancePair
from theory.theorems.attention.steps import Steps
from theory.theorems.attention.zhai2023 import Scored
from theory.theorems.block.input import BlockInput
from theory.theorems.block.norms import Normalised
from theory.theorems.block.shi2022_activations import Activated
from theory.theorems.block.shi2022_lemmas import Averaging, LinearMap, WeightedSum
from theory.theorems.block.tau_temperature import TwoRuns
from theory.theorems.catalogue import CATALOGUE, TRENDS
from theory.theorems.graph_networks.cai2020 import GraphTokens
from theory.theorems.graph_networks.huang2020 import Convolution
from theory.theorems.graph_networks.oono2020 import GraphConvolution
from theory.theorems.rank_collapse.dong2021 import PureAttention
from theory.theorems.remedies.fusion_bounds import Fusion

__all__ = [
    "ACTIVATIONS",
    "CATALOGUE",
    "TRENDS",
    "Activated",
    "Attention",
    "AttentionPair",
    "Attractor",
    "Averaging",
    "Block",
    "BlockInput",
    "BlockStep",
    "CoefficientBounds",
    "Coefficients",
    "Convergence",
    "Convolution",
    "DistancePair",
    "Evidence",
    "ExtendedVerdict",
    "FeedForward",
    "Fusion",
    "GraphConvolution",
    "GraphTokens",
    "Hypothesis",
    "InputError",
    "Interval",
    "Judgement",
    "LawReport",
    "LinearMap",
    "LinearStack",
    "Linearised",
    "ModeRates",
    "NextOrder",
    "Norm",
    "Normalised",
    "PowerLaw",
    "PureAttention",
    "Scored",
    "Steps",
    "Subspace",
    "Theorem",
    "TokenMeasures",
    "Trend",
    "TwoRuns",
    "Verdict",
    "WeightNorms",
    "WeightedSum",
    "activation",
    "apply_block",
    "apply_norm",
    "apply_shared",
    "attend",
    "attention_adjacency",
    "attention_entropy",
    "attention_flops",
    "attention_similarity",
    "block_coefficients",
    "block_mask",
    "causal_mask",
    "check",
    "check_extended",
    "closed_classes",
    "coefficient_bounds",
    "concat_fusion",
    "consensus",
    "consensus_distance",
    "convergence",
    "cosine_similarity",
    "coupling",
    "dirichlet_energy",
    "distance",
    "dobrushin_coefficient",
    "dong_residual",
    "effective_rank",
    "extended",
    "feed_forward",
    "feed_forward_jacobian",
    "find_attractor",
    "from_networkx",
    "full_mask",
    "gate_fusion",
    "general",
    "graph_mask",
    "high_frequency_ratio",
    "is_row_stochastic",
    "judge",
    "linear_distances",
    "linearise",
    "max_fusion",
    "mean_average_distance",
    "measure_tokens",
    "mode_rates",
    "next_order",
    "norm_jacobian",
    "operator_rate",
    "participation_rank",
    "partition",
    "periods",
    "power_law",
    "project",
    "projective_diameter",
    "radius",
    "random_walk",
    "rank_one_fraction",
    "recheck",
    "relative_distance",
    "spectral_gap",
    "spectral_norm",
    "spectrum",
    "stable_rank",
    "stationary_distributions",
    "symmetric_adjacency",
    "synchronised_orbit",
    "to_networkx",
    "token_diameter",
    "transient_growth",
    "transverse_factor",
    "transverse_rates",
    "weight_norms",
    "window_mask",
]
