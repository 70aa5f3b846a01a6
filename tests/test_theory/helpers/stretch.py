"""How far apart are tokens, and by how much may a block stretch that?"""

from typing import Any

import numpy as np

from tests.helpers.blocks import Floats
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.bounds.coefficients import Coefficients, block_coefficients

# A coefficient is a product of a few spectral norms and stds of matrices below 10 x 10: an SVD
# errs by 4 p (p + q) eps, less than 400 eps, and what a std divides is up to 1e3 times the std.
ROUNDING = 1e-10


def coefficients(
    block: Block, tokens: Floats, *, mask: Any = None, adjacency: Any = None
) -> Coefficients:
    return block_coefficients(block, apply_block(block, tokens, mask=mask, adjacency=adjacency))


def distance(tokens: Floats) -> float:
    return float(np.linalg.norm(tokens - tokens.mean(axis=-2, keepdims=True)))
