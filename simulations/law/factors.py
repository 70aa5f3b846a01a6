"""What are the factors of law and theorem at one value of a driver?"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulations.law.differences import consensus_coefficients
from simulations.law.drivers import Driver
from simulations.law.networks import draw_network
from simulations.numbers import Numbers
from simulations.stacks.stack import Stack
from theory.blocks.weights import Block
from theory.law.orbits import find_attractor
from theory.law.rates import tied_orbit
from theory.law.transverse import transverse_rates, weak_components


@dataclass(frozen=True, eq=False)
class Factors:
    """All four factors at one value of the driver; those of values seen before are kept."""

    stack: Stack
    walk: Numbers
    driver: Driver
    seed: int
    layers: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_seen", {})

    def __call__(self, value: float) -> tuple[Numbers, float]:
        """Return law, relative law, v_sharp and v at a value, and the error of the law."""
        seen: dict[float, tuple[Numbers, float]] = self._seen  # type: ignore[attr-defined]
        if value not in seen:
            seen[value] = self._compute(value)
        return seen[value]

    def curve(self, row: int) -> Callable[[float], float]:
        """Return the logarithm of one factor as a function of the driver."""

        def log(value: float) -> float:
            factor = float(self(value)[0][row])
            return math.log(factor) if factor > 0 else -745.0  # that of the smallest float

        return log

    def _compute(self, value: float) -> tuple[Numbers, float]:
        setting: dict[str, Any] = {self.driver: value}
        stack = replace(self.stack, **setting)
        blocks, token = draw_network(stack, seed=self.seed, n=len(self.walk))
        assert token is not None
        law = transverse_rates(blocks, self.walk, token, layers=self.layers)
        v, sharp = _largest(blocks, self.walk, token, self.layers)
        relative = law.relative_rate if law.token_growth > 0 else math.nan
        return np.asarray([law.rate, relative, sharp, v]), law.error


def _largest(
    blocks: Block | list[Block], walk: Numbers, token: Numbers, layers: int
) -> tuple[float, float]:
    """Return the largest v and v_sharp over the orbit, at equal tokens, of all components."""
    tokens: Sequence[Numbers]
    if isinstance(blocks, Block):
        attractor = find_attractor(blocks, token)
        if attractor is not None:
            tokens = list(attractor.points)
        else:
            orbit = tied_orbit(blocks, token)
            tokens = [step.token for (step, _), _ in zip(orbit, range(layers), strict=False)]
            tokens = tokens[len(tokens) // 5 :]
        pairs = [(blocks, np.stack(tokens))]
    else:
        tokens = [token, *(step.token for step, _ in tied_orbit(blocks, token))][:-1]
        pairs = [(block, here[None]) for block, here in zip(blocks, tokens, strict=True)]
    found = [
        consensus_coefficients(block, walk[np.ix_(part, part)], here)
        for part in weak_components(walk)
        if len(part) > 1
        for block, here in pairs
    ]
    return max(float(v.max()) for v, _ in found), max(float(sharp.max()) for _, sharp in found)
