"""Which random arrays are awkward: sparse, nearly equal, aligned, degenerate, disconnected?"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Floats

Kind: TypeAlias = Literal["tokens", "matrix", "graph", "vector", "scalar"]
Ensemble: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def _sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Whole numbers, most of them zero."""
    return np.where(rng.random(shape) < 0.5, rng.integers(-3, 4, size=shape), 0.0)


def _ones(_: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.ones(shape)


def _zeros(_: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.zeros(shape)


def _rows_of_identity(which: NDArray[np.intp], length: int) -> Floats:
    rows: Floats = np.eye(length)[which]
    return rows


def _one_hot(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One entry of every row is one."""
    return _rows_of_identity(rng.integers(shape[-1], size=shape[:-1]), shape[-1])


def _powers(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Every member on a scale of its own."""
    scale = 2.0 ** rng.integers(-9, 7, size=(shape[0],) + (1,) * (len(shape) - 1))
    return rng.standard_normal(shape) * scale


def _equal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """All tokens equal."""
    return np.broadcast_to(rng.standard_normal((*shape[:-2], 1, shape[-1])), shape)


def _near_equal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Tokens as near to each other as anything from a half to the last bit."""
    spread = 0.5 ** rng.integers(1, 53, size=(shape[0],) + (1,) * (len(shape) - 1))
    return np.asarray(_equal(rng, shape) + spread * rng.standard_normal(shape))


def _opposite(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Tokens that differ in sign only."""
    return np.asarray(_equal(rng, shape) * rng.choice([-1.0, 1.0], size=(*shape[:-1], 1)))


def _uneven(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Tokens on scales of their own, some with a common offset of all features."""
    tokens = rng.standard_normal(shape) * 2.0 ** rng.integers(-6, 7, size=(*shape[:-1], 1))
    return np.asarray(tokens + 8.0 * rng.integers(0, 2, size=(*shape[:-1], 1)))


def _identity(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Plus or minus the identity, times a number."""
    scale = rng.choice([-1.0, -0.5, 0.5, 1.0, 2.0], size=(shape[0],) + (1,) * (len(shape) - 1))
    return scale * np.broadcast_to(np.eye(shape[-2], shape[-1]), shape)


def _stretch(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Once or twice the identity."""
    scale = rng.integers(1, 3, size=(shape[0],) + (1,) * (len(shape) - 1))
    return np.asarray(scale * np.broadcast_to(np.eye(shape[-2], shape[-1]), shape))


def _rank_one(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    left = rng.standard_normal((*shape[:-1], 1))
    return left * rng.standard_normal((*shape[:-2], 1, shape[-1])) / shape[-2]


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    side = max(shape[-2:])
    square: Floats = np.linalg.qr(rng.standard_normal((*shape[:-2], side, side)))[0]
    return square[..., : shape[-2], : shape[-1]]


def _permutation(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return _rows_of_identity(np.argsort(rng.random(shape[:-1]), axis=-1), shape[-1])


def _hubs(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Every token listens to one of two."""
    hubs = rng.integers(shape[-1], size=(*shape[:-2], 2))
    choice = rng.integers(2, size=shape[:-1])
    return _rows_of_identity(np.take_along_axis(hubs, choice, axis=-1), shape[-1])


def _blocks(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Two groups of tokens that do not hear each other."""
    group = rng.integers(2, size=shape[:-1])
    same = group[..., :, None] == group[..., None, :]
    return np.where(same, rng.uniform(0.1, 2.0, size=shape), 0.0)


def _lazy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Every token listens to itself, and equally to all."""
    return np.eye(shape[-1]) + rng.uniform(0.0, 2.0, size=(shape[0],) + (1,) * (len(shape) - 1))


def _causal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.tril(rng.uniform(0.1, 2.0, size=shape))


def _bipartite(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    side = np.arange(shape[-1]) % 2
    return np.where(side[:, None] != side, rng.uniform(0.1, 2.0, size=shape), 0.0)


ENSEMBLES: dict[Kind, tuple[Ensemble, ...]] = {
    "tokens": (
        *(_normal, _sparse, _powers, _near_equal, _opposite, _uneven),
        *(_one_hot, _rank_one, _orthogonal),
    ),
    "matrix": (_normal, _sparse, _powers, _identity, _rank_one, _orthogonal),
    "graph": (
        *(_normal, _sparse, _permutation, _hubs, _blocks, _causal, _bipartite),
        *(_one_hot, _identity, _lazy),
    ),
    "vector": (_normal, _sparse, _powers, _one_hot, _ones),
    "scalar": (_normal, _sparse, _powers, _ones),
}
ALIGNED: dict[Kind, tuple[Ensemble, ...]] = {
    "tokens": (_opposite,),
    "matrix": (_stretch,),
    "graph": (_identity, _lazy),
    "vector": (_ones, _zeros),
    "scalar": (_ones, _zeros),
}
DEGENERATE: dict[Kind, tuple[Ensemble, ...]] = {
    "tokens": (_equal, _zeros),
    "matrix": (_zeros,),
    "graph": (_ones, _zeros),
    "vector": (_zeros,),
    "scalar": (_zeros,),
}
"""The mixtures; every ensemble fills shape (members, ...), so "scalar" has shape (members,)."""
