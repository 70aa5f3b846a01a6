"""How does a search change the free numbers of an instance, by little or by a whole structure?

Worst cases have structure (equal or opposite tokens, zeros, multiples of the identity, hubs), so
that half of the moves make some, where small random steps would need very long to.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from theory.arrays import Floats
from theory.statements.awkward import ALIGNED, ENSEMBLES, Kind
from theory.statements.domains import Domain, draw_params

Population: TypeAlias = dict[str, Floats]
"""The free arrays of many members that share their sizes; the first axis is the member's."""

_Move: TypeAlias = Callable[[np.random.Generator, Floats, Kind], Floats]
LARGEST = 1000.0  # what a domain has to bear


def bounded(params: Population) -> Population:
    """Keep every number within what domains promise to bear."""
    return {name: np.clip(values, -LARGEST, LARGEST) for name, values in params.items()}


def children(
    domain: Domain[object], parents: Population, rng: np.random.Generator, members: int
) -> Population:
    """Draw children: of a parent, with one to three moves, or a step along two others' difference.

    A few differences make steps that fit the shape of the region the parents are in (differential
    evolution); the moves keep the parents from becoming all alike.
    """
    count = len(next(iter(parents.values())))
    chosen = rng.integers(count, size=members)
    born = {name: values[chosen].copy() for name, values in parents.items()}
    names = list(parents)
    for i in range(members):
        if count > 2 and rng.random() < 0.35:
            one, other = rng.choice(count, size=2, replace=False)
            factor = rng.choice([0.3, 0.7, 1.0, 2.0]) * rng.choice([-1.0, 1.0])
            crossed = rng.random(len(names)) < 0.7
            for name, taken in zip(names, crossed, strict=True):
                if taken:
                    born[name][i] += factor * (parents[name][one] - parents[name][other])
            continue
        for _ in range(int(rng.choice([1, 1, 2, 3]))):
            name = names[int(rng.integers(len(names)))]
            move = _MOVES[int(rng.integers(len(_MOVES)))]
            born[name][i] = move(rng, born[name][i], domain.free[name].kind)
    return bounded(born)


def resized(
    domain: Domain[object],
    sizes: dict[str, int],
    parents: Population,
    rng: np.random.Generator,
    members: int,
) -> tuple[dict[str, int], Population]:
    """Draw children with one size, or a few, changed; what is cut off or added is drawn.

    Numbers that only choose (an exponent, a kind) may change together, since one may matter in
    the presence of another only.
    """
    new = dict(sizes)
    names = [name for name, size in domain.sizes.items() if size.high > size.low]
    if not names:
        return new, children(domain, parents, rng, members)
    changed = min(len(names), int(rng.choice([1, 1, 2, 4])))
    for name in (names[i] for i in rng.permutation(len(names))[:changed]):
        size = domain.sizes[name]
        value = sizes[name]
        near = value + int(rng.choice([-1, 1]))
        choices = (near, size.plain, int(rng.integers(size.low, size.high + 1)))
        new[name] = min(max(choices[rng.integers(3)], size.low), size.high)
    fresh = draw_params(domain, new, rng, members=members)
    count = len(next(iter(parents.values())))
    chosen = rng.integers(count, size=members)
    for name, values in fresh.items():
        old = parents[name][chosen]
        common = tuple(slice(0, min(a, b)) for a, b in zip(old.shape, values.shape, strict=True))
        if rng.random() < 0.5:  # copies of the last row stand in for what is new, not fresh draws
            padding = [(0, max(b - a, 0)) for a, b in zip(old.shape, values.shape, strict=True)]
            grown = np.pad(old, padding, mode="edge" if rng.random() < 0.5 else "constant")
            values[...] = grown[tuple(slice(0, b) for b in values.shape)]
        else:
            values[common] = old[common]
    return new, bounded(fresh)


def _scale(values: Floats) -> float:
    size = float(np.sqrt(np.mean(values**2))) if values.size else 0.0
    return size or 1.0


def _rows(values: Floats) -> Floats:
    """View an array as rows: of its last axis, or single numbers where there is no row."""
    return values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(-1, 1)


def _jitter(rng: np.random.Generator, values: Floats, _: Kind) -> Floats:
    step = 10.0 ** rng.uniform(-5, 0) * _scale(values)
    return np.asarray(values + step * rng.standard_normal(values.shape))


def _jitter_few(rng: np.random.Generator, values: Floats, _: Kind) -> Floats:
    new = values.copy().reshape(-1)
    where = rng.integers(new.size, size=int(rng.integers(1, 4)))
    new[where] += 10.0 ** rng.uniform(-4, 0.5) * _scale(values) * rng.standard_normal(where.size)
    return new.reshape(values.shape)


def _entries(rng: np.random.Generator, values: Floats, _: Kind) -> Floats:
    """Set entries to zero, to their opposites, to a small whole number or to another entry."""
    new = values.copy().reshape(-1)
    where = rng.integers(new.size, size=int(rng.integers(1, 3)))
    other = new[rng.integers(new.size)]
    new[where] = [0 * other, -new[where[0]], other, float(rng.integers(-3, 4))][rng.integers(4)]
    return new.reshape(values.shape)


def _one_row(rng: np.random.Generator, values: Floats, _: Kind) -> Floats:
    """Make a row zero, opposite, longer, or a copy or the opposite of another one."""
    new = _rows(values.copy())
    i, j = rng.integers(len(new), size=2)
    choices = (0 * new[i], -new[i], new[j], -new[j], new[i] * 2.0 ** rng.uniform(-4, 4))
    new[i] = choices[rng.integers(len(choices))]
    return new.reshape(values.shape)


def _stretch(rng: np.random.Generator, values: Floats, _: Kind) -> Floats:
    factors = (0.0, -1.0, 2.0 ** rng.uniform(-6, 6), 10.0 ** rng.uniform(-9, 3))
    return np.asarray(values * factors[rng.integers(len(factors))])


def _towards_mean(rng: np.random.Generator, values: Floats, _: Kind) -> Floats:
    """Bring rows nearer to their mean, spread them, or shift them all by the same."""
    new = _rows(values)
    mean = new.mean(axis=0)
    far = 2.0 ** rng.uniform(-20, 3) if rng.random() < 0.5 else 2.0 ** rng.uniform(-3, 3)
    shift = [0 * mean, -mean, _scale(values) * rng.standard_normal(mean.shape)][rng.integers(3)]
    return np.asarray(mean + shift + far * (new - mean)).reshape(values.shape)


def _structure(rng: np.random.Generator, values: Floats, kind: Kind) -> Floats:
    """Replace all by a draw of the domain's own ensembles."""
    mixture = ALIGNED[kind] if rng.random() < 0.4 else ENSEMBLES[kind]
    drawn = mixture[rng.integers(len(mixture))](rng, (1, *values.shape))[0]
    return np.array(drawn * (_scale(values) if rng.random() < 0.5 else 1.0), dtype=np.float64)


def _even_out(rng: np.random.Generator, values: Floats, _: Kind) -> Floats:
    """Make whole numbers, signs, one row for all, or the nearest matrix of rank one."""
    choice = rng.integers(4)
    if choice == 0:
        return np.round(values)
    if choice == 1:
        return np.asarray(np.sign(values) * _scale(values))
    if choice == 2 or values.ndim < 2:
        new = _rows(values)
        return np.broadcast_to(new[rng.integers(len(new))], new.shape).reshape(values.shape).copy()
    left, size, right = np.linalg.svd(values, full_matrices=False)
    return np.asarray(left[..., :, :1] * size[..., :1, None] @ right[..., :1, :])


def _blend(rng: np.random.Generator, values: Floats, kind: Kind) -> Floats:
    """Go part of the way to a structure, which may be nothing or the identity."""
    goal = _structure(rng, values, kind)
    part = rng.uniform(0, 1)
    return np.asarray((1 - part) * values + part * goal)


_MOVES: tuple[_Move, ...] = (
    *(_jitter, _jitter, _jitter_few, _jitter_few, _entries, _entries),
    *(_one_row, _one_row, _stretch, _towards_mean, _structure, _even_out, _blend),
)
