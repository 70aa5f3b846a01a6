"""Which free numbers make an admissible instance, and how is one drawn?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias

import numpy as np

from theory.arrays import Array, Floats, namespace
from theory.records import brief_repr
from theory.statements.awkward import ALIGNED, DEGENERATE, ENSEMBLES, Ensemble, Kind
from theory.statements.instances import Instance
from theory.statements.sizes import Size

Sizes: TypeAlias = Mapping[str, int]
"""Sizes as they are stored: whole numbers."""

Chosen: TypeAlias = Mapping[str, Any]
"""Sizes as whoever makes an instance reads them: lengths, exponents, and choices by name."""

Params: TypeAlias = Mapping[str, Array]


@brief_repr
@dataclass(frozen=True)
class Free:
    """A free array: what kind of thing it holds, and the sizes that its axes have.

    ``typical`` says what it holds in a layer with random weights: "random" numbers, all "zeros",
    all "ones", or a graph's "scores", where otherwise its weights are their exponentials' roots.
    """

    kind: Kind
    axes: tuple[str, ...] = ()
    typical: Literal["random", "zeros", "ones", "scores"] = "random"


@brief_repr
@dataclass(frozen=True)
class Sample(Generic[Instance]):
    """An instance, or a batch of them, with the numbers it was built from."""

    sizes: Sizes
    params: Params
    instance: Instance


@brief_repr
@dataclass(frozen=True)
class Domain(Generic[Instance]):
    """All the instances that ``make`` makes; each meets its theorem's hypotheses.

    ``sizes`` are lengths, exponents and choices, ``free`` arrays of any finite numbers up to
    1000; ``make`` maps them, smoothly wherever it can, to an instance. It takes leading batch axes
    (*b, ...) on every array and passes them on; the sizes are shared by a batch.
    """

    sizes: Mapping[str, Size]
    free: Mapping[str, Free]
    make: Callable[[Chosen, Params], Instance]

    def shapes(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Return the shape of every free array."""
        return {name: tuple(sizes[axis] for axis in free.axes) for name, free in self.free.items()}

    def build(self, sizes: Sizes, params: Params) -> Instance:
        """Make the instance that belongs to stored sizes and the free numbers."""
        return self.make({name: self.sizes[name].means(sizes[name]) for name in sizes}, params)

    def sample(self, sizes: Sizes, params: Params) -> Sample[Instance]:
        """Return the instance that belongs to the given numbers, together with these."""
        return Sample(sizes, params, self.build(sizes, params))


def draw(
    domain: Domain[Instance], rng: np.random.Generator, *, members: int | None = None
) -> Sample[Instance]:
    """Draw sizes and a batch of that many members, or one instance without a batch axis."""
    sizes = {name: size.draw(rng) for name, size in domain.sizes.items()}
    params = draw_params(domain, sizes, rng, members=1 if members is None else members)
    if members is None:
        params = {name: values[0] for name, values in params.items()}
    return domain.sample(sizes, params)


def draw_params(
    domain: Domain[Any], sizes: Sizes, rng: np.random.Generator, *, members: int
) -> dict[str, Floats]:
    """Draw the free arrays of that many members; the first axis is the member's.

    Every array of every member comes from an ensemble of its own: gaussian, sparse whole
    numbers, nearly equal tokens, permutations, hubs, disconnected graphs, and so on. In one
    member of eight all arrays are aligned instead (opposite tokens, multiples of the identity):
    bounds that multiply the worst of each part are reached there, and nearly nowhere else. In
    one of eight one array is degenerate (all zero, all tokens equal): often both sides are zero
    then, and rounding decides.
    """
    case = rng.integers(8, size=members)
    broken = np.where(case == 1, rng.integers(max(1, len(domain.free)), size=members), -1)
    params = {}
    for number, (name, shape) in enumerate(domain.shapes(sizes).items()):
        kind = domain.free[name].kind
        params[name] = np.zeros((members, *shape))
        aligned, degenerate = case == 0, broken == number
        for where, ensembles in (
            (~aligned & ~degenerate, ENSEMBLES[kind]),
            (aligned, ALIGNED[kind]),
            (degenerate, DEGENERATE[kind]),
        ):
            params[name][where] = _mixture(rng, ensembles, int(where.sum()), shape)
    return params


def samples(
    domain: Domain[Instance], rng: np.random.Generator, *, trials: int, batch: int = 1
) -> Iterator[Sample[Instance]]:
    """Yield that many instances in batches whose members share their sizes."""
    for start in range(0, trials, batch):
        yield draw(domain, rng, members=min(batch, trials - start))


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
