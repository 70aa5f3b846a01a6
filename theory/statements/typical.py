"""What does an instance look like whose sizes and weights are those of a Transformer?"""

import math

import numpy as np

from theory.arrays import Floats
from theory.statements.domains import Domain, Free
from theory.statements.instances import Instance

_HEAD_WIDTH = 16


def draw_typical(domain: Domain[Instance], rng: np.random.Generator, *, members: int) -> Instance:
    """Draw Gaussian instances of the sizes that a domain calls typical.

    Tokens have entries of variance 1, matrices of variance 1 / rows; attention is the softmax of
    scores of Gaussian queries and keys; gains are one and shifts zero. Domains that scale tokens
    or weights to norm one have the norms that Gaussian ones have as their typical exponents:
    sqrt(n d) for tokens, sqrt(d) for a product of query and key.
    """
    sizes = {name: size.typically() for name, size in domain.sizes.items()}
    params = {
        name: _draw(free, rng, (members, *(int(sizes[axis]) for axis in free.axes)))
        for name, free in domain.free.items()
    }
    return domain.make(sizes, params)


def _draw(free: Free, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    if free.typical == "zeros":
        return np.zeros(shape)
    if free.typical == "ones":
        return np.ones(shape)
    if free.kind == "graph":
        queries, keys = rng.standard_normal((2, *shape[:-1], _HEAD_WIDTH))
        scores: Floats = queries @ np.swapaxes(keys, -1, -2) / math.sqrt(_HEAD_WIDTH)
        # domains square what they are given as weights
        return scores if free.typical == "scores" else np.exp(scores / 2)
    drawn = rng.standard_normal(shape)
    return drawn / math.sqrt(shape[-2]) if free.kind == "matrix" else drawn
