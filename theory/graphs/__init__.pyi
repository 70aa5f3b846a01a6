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

__all__ = [
    "block_mask",
    "causal_mask",
    "closed_classes",
    "dobrushin_coefficient",
    "from_networkx",
    "full_mask",
    "graph_mask",
    "is_row_stochastic",
    "periods",
    "radius",
    "random_walk",
    "spectral_gap",
    "spectrum",
    "stationary_distributions",
    "symmetric_adjacency",
    "to_networkx",
    "window_mask",
]
