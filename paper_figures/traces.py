"""How far from consensus is a random stack after each block, and what does the theorem allow?"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from simulations.centred import rollout
from simulations.centred_maps import from_tokens
from simulations.ensembles import Matrix, Stack, draw_blocks, draw_tokens
from theory.arrays import Array
from theory.coefficients import WeightNorms, block_coefficients, weight_norms
from theory.layers import Block


@dataclass(frozen=True)
class Trace:
    """What the figures need of a stack, as logarithms; `simulations.trace` measures more.

    ``log_distance`` is log d_M and ``log_norm`` log |H|, both with the input as entry 0, so of
    shape (depth + 1, seeds); the others are (depth, seeds). ``log_sigma`` is the logarithm of
    sigma_1 sigma_2, where a missing norm counts as 1.
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
    """Do the same with given blocks and tokens (seeds, n, d); tied blocks' norms are taken once."""
    states = [from_tokens(tokens)]
    sigma, v, v_sharp = list[Matrix](), list[Matrix](), list[Matrix]()
    known: tuple[Block, WeightNorms] | None = None
    for block, _, step, after in rollout(blocks, tokens, mask=mask):
        if known is None or known[0] is not block:
            known = (block, weight_norms(block))
        found = block_coefficients(block, step, norms=known[1])
        stds = [std for std in (found.sigma_1, found.sigma_2) if std is not None]
        sigma.append(np.prod(stds, axis=0) + np.zeros(tokens.shape[0]))
        v.append(found.v)
        v_sharp.append(found.v_sharp)
        states.append(after)
    return Trace(
        log_distance=np.stack([state.log_scale for state in states]),
        log_norm=np.stack([state.log_norm for state in states]),
        log_sigma=np.log(np.stack(sigma)),
        v=np.stack(v),
        v_sharp=np.stack(v_sharp),
    )
