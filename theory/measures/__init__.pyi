from theory.measures.attention import attention_entropy, attention_similarity
from theory.measures.diameters import projective_diameter, token_diameter
from theory.measures.largest import largest_share
from theory.measures.ranks import effective_rank, participation_rank, rank_one_fraction, stable_rank
from theory.measures.subspace import (
    Subspace,
    consensus,
    consensus_distance,
    distance,
    general,
    partition,
)
from theory.measures.tokens import (
    cosine_similarity,
    dirichlet_energy,
    dong_residual,
    high_frequency_ratio,
    mean_average_distance,
    measure_tokens,
    relative_distance,
)

__all__ = [
    "Subspace",
    "attention_entropy",
    "attention_similarity",
    "consensus",
    "consensus_distance",
    "cosine_similarity",
    "dirichlet_energy",
    "distance",
    "dong_residual",
    "effective_rank",
    "general",
    "high_frequency_ratio",
    "largest_share",
    "mean_average_distance",
    "measure_tokens",
    "participation_rank",
    "partition",
    "projective_diameter",
    "rank_one_fraction",
    "relative_distance",
    "stable_rank",
    "token_diameter",
]
