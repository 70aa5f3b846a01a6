"""Is the factor of a whole block with two hubs in it reached, and by nothing exceeded?"""

from typing import Any

import numpy as np
import pytest

from theory.blocks.activations import ACTIVATIONS
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.law.orbits import Matrix
from theory.measures.subspace import consensus_distance
from theory.theorems.attention.residual import worst_factor

STEEP = {"relu": 1.0, "gelu": 2**0.5, "identity": 0.0}
"""Where each is steepest; GELU's second derivative is (2 - x^2) times a density."""


def of_bound(block: Block, tokens: Matrix, t: float, c: float) -> float:
    """Return sigma_1 sigma_2 d_M(H') / d_M(H) as a share of (1 + l c) G."""
    n, ffn = len(tokens), block.feed_forward
    assert ffn is not None
    found = apply_block(block, tokens)
    assert found.std_1 is not None
    assert found.std_2 is not None
    sigma = found.std_1.min() * found.std_2.min()
    factor = 1 + ACTIVATIONS[str(ffn.activation)].lipschitz * c
    factor *= float(worst_factor((2 * (n**2 // 4) / n) ** 0.5, np.float64(t)))
    return float(sigma * consensus_distance(found.output) / consensus_distance(tokens) / factor)


def hubs(n: int, t: float, c: float, kind: Any, activation: str) -> tuple[Block, Matrix]:
    """Return a block near the worst, with softmax, and its tokens."""
    d = 3 if kind == "layer" else 2
    a, far = np.eye(d)[:2]
    if kind == "layer":
        a, far = np.asarray([1, -1, 0]) / 2**0.5, np.asarray([1, 1, -2]) / 6**0.5
    heard = np.eye(n)[[0] * (n // 2) + [n - 1] * (n - n // 2)]
    centred = np.eye(n) - 1 / n
    x = np.linalg.svd(centred @ (np.eye(n) + t * heard) @ centred)[2][0]
    listens = 1e4 * a[None, :, None]
    at = STEEP[activation]
    value = float(ACTIVATIONS[activation].function(np.asarray(at)))
    ffn = FeedForward(a[:, None], c * a[None], np.asarray([at]), -c * value * a, activation)
    norm = Norm(kind, eps=0.0)
    attention = Attention(listens, listens, t * np.eye(d)[None])
    return Block(attention, ffn, norm, norm), x[:, None] * a + 1e4 * far


@pytest.mark.parametrize("activation", STEEP)
@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize(("n", "t", "c"), [(2, 0.5, 0.7), (4, 0.5, 0.7), (7, 1.0, 2.0)])
def test_two_hubs_far_from_zero_reach_it(
    n: int, t: float, c: float, kind: Any, activation: str
) -> None:
    share = of_bound(*hubs(n, t, c, kind, activation), t, c)
    assert 1 - 1e-6 < share < 1 + 1e-9


def test_random_blocks_do_not_exceed_it() -> None:
    rng, largest = np.random.default_rng(0), 0.0
    for _ in range(300):
        n, d, f, h = (int(k) for k in rng.integers((2, 2, 1, 1), (7, 6, 9, 3)))
        t, c = 10 ** rng.uniform(-1, 1, size=2)
        value, w_in, w_out = (rng.normal(size=s) for s in ((h, d, d), (d, f), (f, d)))
        value *= t / np.linalg.norm(value, 2, axis=(1, 2)).sum()
        w_in, w_out = (w / np.linalg.norm(w, 2) for w in (w_in, w_out))
        w_out *= c
        scores = 10 ** rng.uniform(-1, 2) * rng.normal(size=(2, h, d, d))
        ffn = FeedForward(w_in, w_out, rng.normal(size=f), rng.normal(size=d), "gelu")
        norm = Norm("rms", eps=1e-3)
        tokens = rng.normal(size=d) * rng.uniform(0, 5) + rng.normal(size=(n, d))
        block = Block(Attention(scores[0], scores[1], value), ffn, norm, norm)
        largest = max(largest, of_bound(block, tokens, t, c))
    assert 0.1 < largest <= 1
