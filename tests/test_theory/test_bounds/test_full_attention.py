"""Does a search over a norm's range reach v of 1 in every bias-free block with full attention?

docs/verdicts.md proves that the supremum is at least 1. A search that stayed clearly below 1 in one
block would be evidence against that proof.
"""

import numpy as np
import pytest
from scipy.optimize import minimize

from theory.arrays import Floats, InputError
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import Attention, Block
from theory.bounds.coefficients import block_coefficients

_TOKENS, _FEATURES = 3, 4
"""An odd number of tokens: pairs x, -x, where v is at least 1 at once, do not fill it."""


def _strong_block(seed: int) -> Block:
    """Draw a block whose attention outweighs the residual stream, so that v is often small."""
    rng = np.random.default_rng(seed)
    d = _FEATURES
    query, key = 0.3 * rng.standard_normal((2, 1, d, d))
    value = 10 * np.eye(d) + rng.standard_normal((1, d, d))
    return Block(Attention(query, key, value))  # a feed-forward sublayer only makes v larger


def _log_v(block: Block, numbers: Floats) -> float:
    """Return log v on the tokens of the last norm's range that the numbers stand for."""
    tokens = apply_norm(Norm(), numbers.reshape(_TOKENS, _FEATURES))
    try:
        return float(np.log(block_coefficients(block, apply_block(block, tokens)).v))
    except InputError:  # a std is zero: v is above every bound
        return 1e3


@pytest.mark.parametrize("seed", range(3))
def test_a_search_finds_tokens_with_v_of_one(seed: int) -> None:
    block, rng = _strong_block(seed), np.random.default_rng(seed)
    starts = rng.standard_normal((12, _TOKENS * _FEATURES))
    assert min(_log_v(block, start) for start in starts) < 0  # it is not above 1 everywhere

    def below_one(numbers: Floats) -> float:
        return -_log_v(block, numbers)

    assert any(minimize(below_one, start, method="Nelder-Mead").fun <= 1e-3 for start in starts), (
        "no start led to v of 1"
    )
