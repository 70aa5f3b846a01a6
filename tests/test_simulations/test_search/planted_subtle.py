"""Which false statements miss the truth by too little, or fail too rarely, for random drawing?

These are what an adversarial search is for.

Behind a "shear", the free numbers are mixed with fixed ones before the instance is built, so that
no ensemble of the domain is aligned any more and the search has to climb.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.test_theory.helpers.planted import POST_NORM, plant
from theory.arrays import Array, constant
from theory.measures.subspace import consensus_distance
from theory.statements.domains import Chosen, Domain, Params, adjacency
from theory.statements.sizes import Choice, Exponent, Length, Size
from theory.statements.theorem import Theorem
from theory.theorems.block.input import BlockInput
from theory.theorems.block.shi2022_lemmas import Averaging
from theory.theorems.catalogue import CATALOGUE


def _fixed(shape: tuple[int, ...], *, like: Array) -> Array:
    """Return numbers without any pattern that a search could start from."""
    ramp = np.arange(1, 1 + int(np.prod(shape)), dtype=np.float64).reshape(shape)
    return constant(np.sin(ramp**2 + ramp), like=like)


def _sheared(key: str, **pinned: Size) -> Domain[Any]:
    domain = CATALOGUE[key].domain

    def make(sizes: Chosen, params: Params) -> Any:
        shapes = domain.shapes(sizes)  # lengths mean themselves
        mixed = {name: v + 0.3 * _fixed(shapes[name], like=v) for name, v in params.items()}
        return domain.make(sizes, mixed)

    return replace(domain, sizes={**domain.sizes, **pinned}, make=make)


def _too_small(key: str, by: float, *, domain: Domain[Any] | None = None) -> Theorem[Any]:
    return plant(
        f"{key}, {by:.0e} too small" + ("" if domain is None else ", behind a shear"),
        key,
        domain=CATALOGUE[key].domain if domain is None else domain,
        rhs=lambda at: (1 - by) * CATALOGUE[key].rhs(at),
    )


def _rank_one_behind(sizes: Chosen, params: Params) -> Averaging:
    weights = params["weights"]
    n = sizes["tokens"]
    mixed = weights @ (constant(np.eye(n), like=weights) + 0.4 * _fixed((n, n), like=weights))
    return Averaging(params["tokens"], adjacency(mixed))


def _lazy(share: float) -> Any:
    def make(sizes: Chosen, params: Params) -> Averaging:
        eye = constant(np.eye(sizes["tokens"]), like=params["weights"])
        heard = adjacency(params["weights"])
        return Averaging(params["tokens"], share * eye + (1 - share) * heard)

    return make


def _lambda(at: BlockInput) -> Array:
    return at.coefficients.lambda_


def _as_if_odd(at: Averaging) -> Array:
    """Two hubs of an odd number of tokens reach lambda = (n^2 - 1) / (2 n), of an even n / 2."""
    n = at.tokens.shape[-2]
    return ((n**2 - 1) / (2 * n)) ** 0.5 * consensus_distance(at.tokens)


_ATTENTION = CATALOGUE["attention"]
_YES = Choice((True,))
_GATED = {"ffn": _YES, "listening": Choice(("to all",)), "gained": _YES, "biased": _YES}
_GELU = Choice(("gelu",))

SUBTLE: tuple[Theorem[Any], ...] = (
    _too_small("activation-silu", 1e-4),
    _too_small("activation-gelu-tanh", 1e-4),
    _too_small("activation-gelu", 1e-5),
    _too_small("linear", 1e-6, domain=_sheared("linear", scale=Exponent(0, 0))),
    _too_small("weighted-sum", 1e-5, domain=_sheared("weighted-sum", scale=Exponent(0, 0))),
    _too_small("attention", 1e-4, domain=_sheared("attention", scale=Exponent(0, 0))),
    _too_small("layer-norm", 1e-4, domain=_sheared("layer-norm", features=Length(4, 5))),
    _too_small("rms-norm", 1e-4, domain=_sheared("rms-norm", features=Length(3, 5))),
    _too_small("layer-norm-partition", 1e-3, domain=_sheared("layer-norm-partition")),
    _too_small("block-v-sharp", 1e-2, domain=_sheared("block-v-sharp")),
    _too_small(
        "block-v",
        2e-2,
        domain=_sheared("block-v", ffn=_YES, kind=Choice(("layer",)), placement=Choice(("post",))),
    ),
    _too_small("block-v-lower-bound", 5e-2, domain=_sheared("block-v-lower-bound")),
    plant(
        "attention, hubs counted for odd n, behind a shear",
        "attention",
        domain=replace(_ATTENTION.domain, make=_rank_one_behind),
        rhs=_as_if_odd,
    ),
    plant(
        "attention, a token that mostly hears itself never expands",
        "attention",
        domain=replace(_ATTENTION.domain, make=_lazy(0.85)),
        rhs=lambda at: consensus_distance(at.tokens),
    ),
    plant(
        "a causal mask keeps lambda at most one and a half",
        "block-v",
        domain=replace(POST_NORM, sizes={**POST_NORM.sizes, "listening": Choice(("causally",))}),
        lhs=_lambda,
        rhs=lambda at: 1.5 + 0 * _lambda(at),
        rounding=lambda at: 1e-9 * (1 + _lambda(at)),
    ),
    plant(
        "block-v-sharp, 2 % too small for softmax attention and GELU",
        "block-v-sharp",
        domain=replace(POST_NORM, sizes={**POST_NORM.sizes, **_GATED, "activation": _GELU}),
        rhs=lambda at: 0.98 * CATALOGUE["block-v-sharp"].rhs(at),
    ),
)
