"""How do the instruments of `simulations.trace` read on a random stack, as logarithms?"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

import numpy as np

from simulations.ensembles import Matrix, Stack, draw_blocks, draw_tokens
from simulations.trace import trace_centred
from theory.arrays import Array
from theory.layers import Block


@dataclass(frozen=True)
class Trace:
    """A stack's measures, layers first, then the seeds.

    ``log_distance`` is log d_M and ``log_norm`` log |H|, both with the input as entry 0, so of
    shape (depth + 1, seeds); the others are (depth, seeds).
    """

    log_distance: Matrix
    log_norm: Matrix
    log_sigma: Matrix
    v: Matrix
    v_sharp: Matrix

    @property
    def log_relative(self) -> Matrix:
        """The logarithm of the relative distance d_M / |H|."""
        return self.log_distance - self.log_norm

    @property
    def log_rate(self) -> Matrix:
        """The logarithm of d_M after a layer over d_M before it: (depth, seeds)."""
        return np.diff(self.log_distance, axis=0)


def trace(stack: Stack, *, seeds: range, mask: Array | None = None) -> Trace:
    """Send the stack's tokens through its blocks and measure every layer."""
    return trace_blocks(draw_blocks(stack, seeds=seeds), draw_tokens(stack, seeds=seeds), mask=mask)


def trace_blocks(blocks: Iterable[Block], tokens: Matrix, *, mask: Array | None = None) -> Trace:
    """Do the same with given blocks and tokens (seeds, n, d).

    ``log_sigma``, the logarithm of sigma_1 sigma_2, takes a missing second norm as 1.
    """
    found = trace_centred(blocks, tokens, mask=mask)
    distance, relative = (
        log(10) * found.tokens[f"log10_{name}"] for name in ("distance", "relative_distance")
    )
    return Trace(
        log_distance=distance,
        log_norm=distance - relative,
        log_sigma=np.log(found.blocks["sigma_1"] * found.blocks.get("sigma_2", 1.0)),
        v=found.blocks["v"],
        v_sharp=found.blocks["v_sharp"],
    )
