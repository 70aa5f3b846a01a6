"""Which small instance, readable by people, shows the same as the one that a search found?"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from simulations.search.moves import Population
from simulations.search.state import Point, point, score
from theory.arrays import Floats
from theory.statements.domains import Domain
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem

_Sizes: TypeAlias = dict[str, int]
_Keeps: TypeAlias = Callable[[Floats, Floats], Any]

KEPT = 0.999
"""The share of the ratio that a smaller instance of a claim that holds must keep."""


def shrink(theorem: Theorem[Any], start: Point, *, budget: int) -> tuple[Point, int]:
    """Return a simpler instance that still shows what ``start`` does, and the evaluations spent.

    A violation stays one, and keeps half of what it exceeds the bound by (or twice the bound).
    An instance of a claim that holds keeps 99.9 % of its ratio. First fewer tokens and features,
    then fewer choices, then zeros, whole numbers and short decimals; until nothing helps.
    """
    work = _Work(theorem, start, budget)
    if start.score <= 0:  # an equality, or all rounding: there is nothing that could be kept
        return start, 0
    while work.left > 0:
        before = cost(theorem.domain, work.best.sizes, work.best.params)
        for attempt in (_smaller_sizes, _whole_arrays, _entries):
            attempt(work)
        if cost(theorem.domain, work.best.sizes, work.best.params) >= before:
            break
    return work.best, budget - work.left


def cost(domain: Domain[Any], sizes: _Sizes, params: Population) -> float:
    """Say how much there is to read: numbers, digits in them, and choices that are not plain."""
    total = sum(3.0 * values.size + float(_digits(values).sum()) for values in params.values())
    return total + sum(
        1.0 + 0.01 * min(abs(value - domain.sizes[name].plain), 99)
        for name, value in sizes.items()
        if not _is_axis(domain, name) and value != domain.sizes[name].plain
    )


def _digits(values: Floats) -> Floats:
    """0 for a zero, 1 for one, 1.5 for minus one, 2 for a small whole number, up to 20."""
    whole, tenth = values == np.round(values), values * 8 == np.round(values * 8)
    size = np.abs(values)
    long = np.where(np.round(values, 3) == values, 6.0, 20.0)
    short = np.where(tenth & (size < 10), 4.0, long)
    numbers = np.where(whole, np.where(size < 10, 2.0 + size / 100, 5.0), short)
    units = np.where(values == 1, 1.0, np.where(values == -1, 1.5, numbers))
    return np.asarray(np.where(values == 0, 0.0, units))


def _is_axis(domain: Domain[Any], name: str) -> bool:
    return any(name in free.axes for free in domain.free.values())


class _Work:
    """The best so far, and what may still be spent on making it simpler."""

    def __init__(self, theorem: Theorem[Any], start: Point, budget: int) -> None:
        self.theorem, self.best, self.left = theorem, start, budget
        self.refuted = start.refuted
        excess = start.score - 1
        self.level = min(1 + excess / 2, 2.0) if start.refuted else KEPT * start.score

    @property
    def domain(self) -> Domain[Any]:
        return self.theorem.domain

    def accept(self, sizes: _Sizes, candidates: list[Population]) -> Floats:
        """Check candidates of the same sizes; keep the simplest that shows the same, if simpler.

        Returns the scores, minus infinity where a candidate does not show the same.
        """
        candidates = candidates[: max(self.left, 0)]
        if not candidates:
            return np.zeros(0)
        # Adding zero turns -0.0, which is no simpler than 0.0, into that.
        stacked = {n: np.stack([c[n] for c in candidates]) + 0.0 for n in candidates[0]}
        verdict = check(self.theorem, self.domain.build(sizes, stacked))
        self.left -= len(candidates)
        scores = score(verdict)
        shows = (scores >= self.level) & (verdict.refuted == self.refuted)
        costs = np.asarray([cost(self.domain, sizes, c) for c in candidates])
        costs = np.where(shows, costs, np.inf)
        i = int(np.lexsort((-scores, costs))[0])
        if costs[i] < cost(self.domain, self.best.sizes, self.best.params):
            self.best = point(sizes, stacked, scores, verdict, i)
        return np.where(shows, scores, -np.inf)


def _smaller_sizes(work: _Work) -> None:
    """Leave out one token, feature, head; make one choice plain, or nearer to it."""
    for name, size in work.domain.sizes.items():
        if _is_axis(work.domain, name):
            while any(_left_out(work, name, size.low, count) for count in (1, 2)):
                pass
        else:
            plain, value = size.plain, work.best.sizes[name]
            for nearer in sorted({plain, (plain + value) // 2, plain + np.sign(value - plain)}):
                if nearer != value:
                    work.accept({**work.best.sizes, name: int(nearer)}, [work.best.params])


def _left_out(work: _Work, name: str, low: int, count: int) -> bool:
    """Leave out one or two of the tokens, say, and tell whether that could be done."""
    now = work.best
    if now.sizes[name] - count < low or work.left <= 0:
        return False
    axes = {
        key: [axis for axis, each in enumerate(free.axes) if each == name]
        for key, free in work.domain.free.items()
    }
    smaller = [
        {key: _delete(values, axes[key], rows) for key, values in now.params.items()}
        for rows in combinations(range(now.sizes[name]), count)
    ]
    work.accept({**now.sizes, name: now.sizes[name] - count}, smaller)
    return work.best is not now


def _delete(values: Floats, axes: list[int], rows: tuple[int, ...]) -> Floats:
    for axis in axes:
        values = np.delete(values, list(rows), axis=axis)
    return values


def _whole_arrays(work: _Work) -> None:
    """Replace an array, or all at once, by a plain one or by itself in round numbers."""
    for name in work.best.params:
        now = work.best.params
        work.accept(work.best.sizes, [{**now, name: v} for v in _simpler(now[name])])
    now = work.best.params
    rounds = [{name: np.round(v * k) / k for name, v in now.items()} for k in (1, 2, 4, 8, 1000)]
    work.accept(work.best.sizes, rounds)


def _simpler(values: Floats) -> Iterator[Floats]:
    yield 0 * values
    yield np.ones_like(values)
    if values.ndim > 1:
        eye = np.broadcast_to(np.eye(*values.shape[-2:]), values.shape)
        yield from (eye.copy(), -eye, 2 * eye)
    largest = float(np.abs(values).max()) if values.size else 0.0
    if largest > 0:
        for to in (1, 2, 3, 4, 5, 6, 8, 9):
            yield np.round(values / largest * to)
            yield np.sign(values[np.abs(values) == largest].flat[0]) * np.round(
                values / largest * to
            )
        yield np.sign(values)
        yield np.abs(values)
    for digits in (0, 1, 3):
        yield np.round(values, digits)


def _entries(work: _Work) -> None:
    """Set entries to zero, one, whole numbers and so on, as many at once as can be."""
    for target in (
        lambda v: 0.0,
        np.sign,
        lambda v: np.abs(v),
        np.round,
        lambda v: np.round(v / 2),
        lambda v: v - np.sign(v),
        lambda v: np.round(v * 2) / 2,
        lambda v: np.round(v * 8) / 8,
        lambda v: np.round(v, 3),
    ):
        _apply(work, target)


def _apply(work: _Work, target: Callable[[Any], Any]) -> None:
    """Change every entry alone, then the harmless ones together, the most harmless first."""
    if work.left <= 0:
        return
    now, sizes = work.best.params, work.best.sizes
    places = [
        (name, index, float(target(values[index])))
        for name, values in now.items()
        for index in np.ndindex(values.shape)
    ]
    places = [
        (name, index, to)
        for name, index, to in places
        if _digits(np.asarray(to)) < _digits(now[name][index])
    ]
    if not places:
        return
    alone = [_changed(now, [place]) for place in places]
    scores = work.accept(sizes, alone)
    order = [i for i in np.argsort(-scores, kind="stable") if scores[i] > -np.inf]
    prefixes = [order[: k + 1] for k in range(1, len(order))]
    work.accept(sizes, [_changed(now, [places[i] for i in prefix]) for prefix in prefixes])


def _changed(params: Population, places: list[tuple[str, tuple[int, ...], float]]) -> Population:
    new = {name: values.copy() for name, values in params.items()}
    for name, index, to in places:
        new[name][index] = to
    return new
