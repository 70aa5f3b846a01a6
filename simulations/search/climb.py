"""Where in a domain does the left side of a theorem come nearest to the right one, or exceed it?

Restarts from the domain's own ensembles; from the best of them, in turn, generations of moves and
steps along the gradient of log(lhs / rhs). A generation and a gradient are one batched check each.

Central differences, not torch's autograd, which was tried: worst cases are aligned, with repeated
singular values, zeros and ties, and there a third of its gradients were NaN; a backward pass took
as long as one batch of differences up to 40 numbers, and a third of that at 150. So the result
does not depend on what is installed either.
"""

from dataclasses import dataclass, replace

import numpy as np

from simulations.search.moves import Population, bounded, children, resized
from simulations.search.state import Point, Search
from theory.arrays import Floats
from theory.statements.domains import Domain, draw_params

_BATCH = 64
_PARENTS = 8
_STARTS = 12  # how many restarts are climbed from at once
_LENGTHS = 10.0 ** np.linspace(-7, 0.5, 14)  # of a step, relative to the length of what is moved
_PLAIN = 0.8  # of the choices, where a start is to be plain
_PATIENCE = 14  # generations without progress after which a start is given up


@dataclass(eq=False)
class _Climb:
    """A few members of the same sizes, best first, and how long they have been stuck."""

    sizes: dict[str, int]
    parents: Population
    scores: Floats
    stuck: int = 0
    turn: int = 0

    @property
    def top(self) -> float:
        return float(self.scores[0])


def _best_of(
    sizes: dict[str, int], params: Population, scores: Floats, *, keep: int = _PARENTS
) -> _Climb:
    order = np.argsort(-scores, kind="stable")[:keep]
    return _Climb(sizes, {name: values[order] for name, values in params.items()}, scores[order])


def ascend(search: Search, rng: np.random.Generator) -> None:
    """Spend the budget: rounds of restarts and ascents until it is gone or a violation stands."""
    while not search.over:
        before = search.spent
        climbs = _restarts(search, rng, batches=24 if search.best is None else 8)
        while climbs and not search.over:
            for climb in climbs:
                if not search.over:
                    _advance(search, climb, rng)
            # The better half goes on: those that are stuck, and those that lag behind, stop.
            climbs = [climb for climb in climbs if climb.stuck < _PATIENCE]
            if climbs and climbs[-1].turn % 10 == 0:
                climbs.sort(key=lambda climb: -climb.top)
                climbs = climbs[: max(2, (len(climbs) + 1) // 2)]
        if search.spent == before:
            return


def polish(search: Search, rng: np.random.Generator, *, budget: int) -> Point:
    """Climb on from the best, whether or not it is a violation already, and return the best then.

    What is found on the way to a violation is none that a restart would have been needed for.
    """
    best = search.best
    assert best is not None
    if budget <= 0 or best.score == np.inf:
        return best
    more = replace(
        search, budget=budget, spent=0, applied=0, rounding_only=0, on_spent=None, halts=False
    )
    params = {name: values[None] for name, values in best.params.items()}
    climb = _Climb(best.sizes, params, np.asarray([best.score]))
    while not more.over and climb.stuck < _PATIENCE and climb.top < np.inf:
        _advance(more, climb, rng)
    search.spent += more.spent
    search.applied += more.applied
    search.rounding_only += more.rounding_only
    search.patience = more.patience
    if more.best is not None and more.best.refuted and search.refuted_after is None:
        search.refuted_after = search.spent
    assert more.best is not None
    return more.best


def _restarts(search: Search, rng: np.random.Generator, *, batches: int) -> list[_Climb]:
    """Draw from the domain; keep starts on different sizes before better ones on the same."""
    climbs: list[_Climb] = []
    for _ in range(batches):
        if search.over:
            break
        sizes = _starting_sizes(search.theorem.domain, rng)
        params = draw_params(search.theorem.domain, sizes, rng, members=_BATCH)
        climbs.append(_best_of(sizes, params, search.evaluate(sizes, params)))
    climbs = [climb for climb in climbs if climb.top > -np.inf]
    climbs.sort(key=lambda climb: -climb.top)
    # Half of the starts are the best; the others are any, since the best may lead nowhere.
    rest = climbs[_STARTS // 2 :]
    others = [rest[i] for i in rng.permutation(len(rest))[: _STARTS // 2]]
    return climbs[: _STARTS // 2] + others


def _starting_sizes(domain: Domain[object], rng: np.random.Generator) -> dict[str, int]:
    """Draw sizes; half of the time most choices and exponents are plain.

    A domain with a dozen choices hardly ever draws all of them plain, where bounds are sharp.
    """
    share = rng.choice([0.0, _PLAIN])
    axes = {axis for free in domain.free.values() for axis in free.axes}
    return {
        name: size.plain if name not in axes and rng.random() < share else size.draw(rng)
        for name, size in domain.sizes.items()
    }


def _advance(search: Search, climb: _Climb, rng: np.random.Generator) -> None:
    """Go one turn: mostly a generation; at times other sizes, or steps along the gradient."""
    before = climb.top
    climb.turn += 1
    if climb.turn % 5 == 1:
        _follow_gradient(search, climb, steps=8)
    elif climb.turn % 5 == 3:
        sizes, born = resized(search.theorem.domain, climb.sizes, climb.parents, rng, _BATCH)
        scores = search.evaluate(sizes, born)
        if sizes == climb.sizes:
            _merge(climb, born, scores)
        elif scores.max() > climb.top:
            new = _best_of(sizes, born, scores)
            climb.sizes, climb.parents, climb.scores = new.sizes, new.parents, new.scores
    else:
        born = children(search.theorem.domain, climb.parents, rng, _BATCH)
        scores = search.evaluate(climb.sizes, born)
        _merge(climb, born, scores)
    gained = climb.top > before + 1e-7 * max(abs(before), 1e-3)
    climb.stuck = 0 if gained else climb.stuck + 1


def _merge(climb: _Climb, born: Population, scores: Floats) -> None:
    both = {name: np.concatenate([climb.parents[name], born[name]]) for name in born}
    merged = _best_of(climb.sizes, both, np.concatenate([climb.scores, scores]), keep=4 * _PARENTS)
    # Members with the very score of a better one are mostly copies: they add nothing.
    _, first = np.unique(-merged.scores, return_index=True)
    chosen = first[:_PARENTS]
    climb.parents = {name: values[chosen] for name, values in merged.parents.items()}
    climb.scores = merged.scores[chosen]


def _follow_gradient(search: Search, climb: _Climb, *, steps: int) -> None:
    """Climb from the best member along central differences, by a search over step lengths.

    Five directions: quasi-Newton, which also follows the edges that maxima and minima make; the
    gradient; with momentum; its signs; and each number in proportion to its own square, which
    suits numbers on different scales. Numbers that moved nothing the last time are left alone.
    """
    from scipy.optimize import BFGS

    pack = _Packing({name: values.shape[1:] for name, values in climb.parents.items()})
    at, value = pack.flat(climb.parents, 0), climb.top
    momentum, gradient, moved = (np.zeros_like(at) for _ in range(3))
    active = np.arange(at.size)
    newton = BFGS()
    newton.initialize(at.size, "inv_hess")
    for number in range(steps):
        if search.over or not 0 < value < np.inf:
            return
        step = 1e-6 * np.maximum(np.abs(at), 1e-2)
        nudge = np.diag(step)[active]
        scores = search.evaluate(climb.sizes, pack.members([*(at + nudge), *(at - nudge)]))
        up, down = np.split(np.where(scores > 0, scores, value), 2)
        last, gradient = gradient, np.zeros_like(at)
        with np.errstate(all="ignore"):
            slope = (up - down) / (2 * step[active]) / value
        gradient[active] = np.nan_to_num(slope, posinf=0.0, neginf=0.0)
        if number:
            newton.update(moved, last - gradient)
        active = np.flatnonzero(gradient)
        size = float(np.linalg.norm(gradient))
        if not size > 0:
            return
        momentum = gradient / size + 0.7 * momentum
        reach = float(np.linalg.norm(at)) or 1.0
        curved = newton.dot(gradient)
        directions = [
            curved / (np.linalg.norm(curved) or 1.0) * reach,
            gradient / size * reach,
            momentum / np.linalg.norm(momentum) * reach,
            np.sign(gradient) * reach / at.size**0.5,
            gradient * at**2 / (np.abs(gradient * at).max() or 1.0),
        ]
        tried = [at + length * d for length in _LENGTHS for d in directions]
        born = pack.members(tried)
        scores = search.evaluate(climb.sizes, born)
        _merge(climb, born, scores)
        if not scores.max() > value * (1 + 1e-9):
            return
        i = int(np.argmax(scores))
        moved = pack.flat(born, i) - at
        at, value = at + moved, float(scores[i])


class _Packing:
    """All free numbers of a member as one vector, and back."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.cuts = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]

    def flat(self, params: Population, i: int) -> Floats:
        return np.concatenate([params[name][i].ravel() for name in self.shapes])

    def members(self, vectors: list[Floats]) -> Population:
        parts = np.split(np.stack(vectors), self.cuts, axis=1)
        shaped = zip(self.shapes.items(), parts, strict=True)
        return bounded({name: part.reshape(-1, *shape) for (name, shape), part in shaped})
