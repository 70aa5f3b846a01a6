"""Which small stacks are surveyed, and by how much do two surveys differ?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulations.stacks.stack import Stack

SMALL = Stack(depth=3, tokens=7, width=12, heads=3, ffn_width=20)
SEEDS = range(4, 9)


def worst(one: Mapping[str, Any], two: Mapping[str, Any], names: set[str]) -> float:
    """Return the largest relative difference of the readings with these names."""
    assert names <= one.keys() & two.keys()
    return max(float(np.max(np.abs(one[name] / two[name] - 1))) for name in names)


TOKEN_NAMES = {"norm", "distance", "relative_distance", "cosine_similarity", "participation_rank"}
BLOCK_NAMES = {"measured_ratio", "sigma_1", "sigma_2"}
