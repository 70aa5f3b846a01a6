"""What do the instruments read on blocks that were captured?"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from simulations.capture.feed_forward import secant
from simulations.capture.pieces import Reading
from simulations.instruments.readings import (
    attention_row,
    coupling_row,
    judged_row,
    ratio_row,
)
from simulations.numbers import Numbers
from theory.arrays import Floats
from theory.blocks.norms import norm_std
from theory.blocks.weights import Block, BlockStep, FeedForward
from theory.bounds.coefficients import WeightNorms, block_coefficients, compose
from theory.spectra.norms import coupling

_VERDICT = (
    *("v", "v_sharp", "v_stacked", "v_lower", "v_upper", "v_error", "rounding"),
    *("attention_diameter", "v_diameter", "v_diameter_lower", "v_diameter_upper"),
)
_SIZES = ("s", "s_lower", "s_upper", "s_excess", "lambda_lower", "lambda_upper")

NormsOf = Callable[[Block], WeightNorms]


def measure_block(
    reading: Reading, norms_of: NormsOf, earlier: Floats | None
) -> dict[str, Numbers]:
    """Return a row of readings of one block, all float64: (b,) each.

    Where the theorem does not apply v is NaN, and the ratio is that of the model's own tokens.
    ``earlier`` are the attention weights of the block before.
    """
    batch, present = len(reading.tokens), reading.present
    found: dict[str, Any] = {"reconstruction_error": np.full(batch, reading.error)}
    if reading.adjacency is not None and (reading.adjacency >= 0).all():
        found |= attention_row(reading.adjacency, earlier, present)
    if reading.reason:
        found |= {name: np.full(batch, np.nan) for name in (*_VERDICT, *_SIZES)}
        found |= ratio_row(reading.tokens, reading.output, present=present)
        return found | _without_theorem(reading, norms_of)
    block, tokens, step = reading.block, reading.tokens, reading.step
    assert block is not None
    assert step is not None
    norms = norms_of(block)
    return found | judged_row(block, tokens, step, norms, present=present)


def _without_theorem(reading: Reading, norms_of: NormsOf) -> dict[str, Any]:
    """Return what can be said of a block to which the theorem does not apply."""
    found: dict[str, Any] = {}
    if reading.adjacency is not None:
        found |= coupling_row(reading.adjacency, reading.present)
    block, wiring = reading.block, reading.wiring
    if block is None or wiring is None:
        return found
    stds = {f"std_{name}": norm_std(norm.norm, norm.given) for name, norm in wiring.norms.items()}
    step = BlockStep(reading.output, reading.adjacency, **stds)
    norms = norms_of(block)
    own = block_coefficients(
        replace(block, feed_forward=None), step, norms=norms, token_mask=reading.present
    )
    found |= {"sigma_1": own.sigma_1, "sigma_2": own.sigma_2}
    if reading.measured is None:
        found["s"] = own.s
        return {name: value for name, value in found.items() if value is not None}
    measured = secant(*reading.measured, reading.present)
    found["ffn_secant"] = measured
    if reading.invariant:
        root = coupling(reading.adjacency, token_mask=reading.present)
        attention = np.sum(root * norms.value, axis=-1)
        whole = replace(block, feed_forward=_ANY)
        found["v_secant"] = compose(whole, step, attention, measured, token_mask=reading.present)
    return {name: value for name, value in found.items() if value is not None}


_ANY = FeedForward(np.zeros((1, 1)), np.zeros((1, 1)))
"""Stands for a sublayer whose factor is known from elsewhere: only its place is asked for."""
