"""Which free numbers make an admissible instance, and how are awkward ones drawn?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Array, namespace
from theory.instances import Instance

Sizes: TypeAlias = Mapping[str, int]
Params: TypeAlias = Mapping[str, Array]
Kind: TypeAlias = Literal["tokens", "matrix", "graph", "vector", "scalar"]
Floats: TypeAlias = NDArray[np.float64]
Ensemble: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Floats]


@dataclass(frozen=True)
class Free:
    """A free array: what kind of thing it holds, and the sizes that its axes have."""

    kind: Kind
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample(Generic[Instance]):
    """An instance, or a batch of them, with the numbers it was built from."""

    sizes: Sizes
    params: Params
    instance: Instance


@dataclass(frozen=True)
class Domain(Generic[Instance]):
    """All the instances that ``build`` makes; each meets its theorem's hypotheses.

    ``sizes`` are named ranges of whole numbers, both ends included: lengths, but also choices
    and exponents. ``free`` are arrays of any finite numbers up to 1000; ``build`` maps them,
    smoothly wherever it can, to an instance. It takes leading batch axes (*b, ...) on every
    array and passes them on; the sizes are shared by a batch.
    """

    sizes: Mapping[str, tuple[int, int]]
    free: Mapping[str, Free]
    build: Callable[[Sizes, Params], Instance]

    def shapes(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Return the shape of every free array."""
        return {name: tuple(sizes[axis] for axis in free.axes) for name, free in self.free.items()}

    def sample(self, sizes: Sizes, params: Params) -> Sample[Instance]:
        """Build the instance that belongs to the given numbers."""
        return Sample(sizes, params, self.build(sizes, params))


def draw(
    domain: Domain[Instance], rng: np.random.Generator, *, members: int | None = None
) -> Sample[Instance]:
    """Draw sizes and a batch of that many members, or one instance without a batch axis.

    Every array of every member comes from an ensemble of its own: gaussian, sparse whole
    numbers, nearly equal tokens, permutations, hubs, disconnected graphs, and so on. In one
    member of eight all arrays are aligned instead (opposite tokens, multiples of the identity):
    bounds that multiply the worst of each part are reached there, and nearly nowhere else.
    """
    count = 1 if members is None else members
    sizes = {name: _whole(rng, *ends) for name, ends in domain.sizes.items()}
    aligned = rng.random(count) < 1 / 8
    params = {}
    for name, shape in domain.shapes(sizes).items():
        kind = domain.free[name].kind
        params[name] = np.zeros((count, *shape))
        for where, ensembles in ((~aligned, ENSEMBLES[kind]), (aligned, ALIGNED[kind])):
            params[name][where] = _mixture(rng, ensembles, int(where.sum()), shape)
    if members is None:
        params = {name: values[0] for name, values in params.items()}
    return domain.sample(sizes, params)


def samples(
    domain: Domain[Instance], rng: np.random.Generator, *, trials: int, batch: int = 1
) -> Iterator[Sample[Instance]]:
    """Yield that many instances in batches whose members share their sizes."""
    for start in range(0, trials, batch):
        yield draw(domain, rng, members=min(batch, trials - start))


def _whole(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw a whole number; a range on both sides of zero is an exponent, half the time zero."""
    if low < 0 < high and rng.random() < 0.5:
        return 0
    return int(rng.integers(low, high, endpoint=True))


def _mixture(
    rng: np.random.Generator, ensembles: tuple[Ensemble, ...], members: int, shape: tuple[int, ...]
) -> Floats:
    chosen = rng.integers(len(ensembles), size=members)
    drawn = np.zeros((members, *shape))
    for number, ensemble in enumerate(ensembles):
        where = chosen == number
        if where.any():
            drawn[where] = ensemble(rng, (int(where.sum()), *shape))
    return drawn


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
        *(_normal, _sparse, _powers, _equal, _near_equal, _opposite, _uneven),
        *(_one_hot, _rank_one, _orthogonal),
    ),
    "matrix": (_normal, _sparse, _powers, _identity, _rank_one, _orthogonal, _zeros),
    "graph": (
        *(_normal, _sparse, _permutation, _hubs, _blocks, _causal, _bipartite),
        *(_one_hot, _identity, _lazy, _ones),
    ),
    "vector": (_normal, _sparse, _powers, _one_hot, _ones, _zeros),
    "scalar": (_normal, _sparse, _powers, _ones, _zeros),
}
ALIGNED: dict[Kind, tuple[Ensemble, ...]] = {
    "tokens": (_opposite,),
    "matrix": (_stretch,),
    "graph": (_identity, _lazy),
    "vector": (_ones, _zeros),
    "scalar": (_ones, _zeros),
}
"""The mixtures; every ensemble fills shape (members, ...), so "scalar" has shape (members,)."""


def adjacency(weights: Array, *, signed: bool = False) -> Array:
    """Map any numbers to rows that sum to one: (*b, n, n) -> (*b, n, n).

    Squares over their sum, so that no weight is negative and a zero stays a zero; a token with
    no weight at all hears everybody. Signed: what is missing to one is spread over the row.
    """
    xp = namespace(weights)
    n = weights.shape[-1]
    if signed:
        return weights + (1 - xp.sum(weights, axis=-1, keepdims=True)) / n
    squares = weights * weights
    total = xp.sum(squares, axis=-1, keepdims=True)
    squares = xp.where(total > 0, squares, xp.ones_like(squares))
    return squares / xp.where(total > 0, total, float(n))
