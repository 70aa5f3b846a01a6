"""What does a theorem say about Gaussian weights and tokens of a Transformer's sizes?"""

import math
from typing import Any

import numpy as np

from simulations.numbers import Numbers
from theory.arrays import InputError
from theory.statements.domains import Domain, Free
from theory.statements.theorem import Theorem, Verdict, check

TOKENS, FEATURES = 32, 64
_LENGTHS = {
    "tokens": TOKENS,
    "features": FEATURES,
    "width": FEATURES,
    "head_width": 16,
    "hidden": 4 * FEATURES,
}
# Of choices and counts the nearest that a domain has. Domains that scale tokens or weights to
# norm one first ("amplitude", "strength" with "biased" or "slack") get the norms that Gaussian
# ones have: sqrt(n d) for tokens, sqrt(d) for a product of query and key.
_CHOICES = {
    "heads": 4,
    "layers": 2,
    "steps": 4,
    "depth": 4,
    "ffn": 1,
    "activation": 1,
    "ln_eps": -12,
    "full": 1,
    "zeros": 1,
    "size": 1,
}


def typical_verdict(
    theorem: Theorem[Any], rng: np.random.Generator, *, members: int
) -> Verdict | None:
    """Check a theorem on Gaussian instances of 32 tokens with 64 features.

    Tokens have entries of variance 1, matrices of variance 1 / rows; attention is the softmax of
    scores of Gaussian queries and keys; gains are one and shifts zero. None is returned where the
    instances of the theorem have other sizes, or it applies to none of these.
    """
    sizes = _sizes(theorem.domain)
    params = {
        name: _draw(name, free, rng, (members, *(int(sizes[axis]) for axis in free.axes)))
        for name, free in theorem.domain.free.items()
    }
    try:
        verdict = check(theorem, theorem.domain.build(sizes, params))
    except (InputError, ArithmeticError, ValueError):
        return None  # sizes that this domain cannot have
    return verdict if verdict.applies.any() else None


def _sizes(domain: Domain[Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    for name, (low, high) in domain.sizes.items():
        nearest = min(max(_CHOICES.get(name, 0), low), high)
        sizes[name] = _LENGTHS.get(name, nearest)
    axes = {axis for free in domain.free.values() for axis in free.axes}
    if "amplitude" in sizes:  # exponents need not be whole numbers here
        sizes |= {"amplitude": math.log2(TOKENS * FEATURES) / 2, "strength": 3}
    elif "strength" in sizes and "slack" in sizes:
        sizes["strength"] = math.log2(TOKENS * FEATURES)
    elif "central" in sizes:  # two sets of tokens, one near the other
        sizes |= {"near": 10, "strength": 0 if "width" in axes else -3}
    return sizes


def _draw(name: str, free: Free, rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    if free.kind == "graph":
        queries, keys = rng.standard_normal((2, *shape[:-1], 16))
        scores: Numbers = queries @ np.swapaxes(keys, -1, -2) / 4
        # domains square what they are given as weights
        return scores if name == "scores" else np.exp(scores / 2)
    if name == "slack":
        return np.zeros(shape)
    if name.startswith("gain"):
        return np.ones(shape)
    if name.startswith(("shift", "bias")):
        return np.zeros(shape)
    drawn = rng.standard_normal(shape)
    return drawn / math.sqrt(shape[-2]) if free.kind == "matrix" else drawn
