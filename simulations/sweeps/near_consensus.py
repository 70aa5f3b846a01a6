"""What does a stack do to small differences, and what do the law and the block theorem say of it?

The tokens of a stack are drawn together until they differ by 1e-10 of themselves, which no plain
arithmetic could follow: `simulations.centred.rollout` does. On the way to where rates are taken
they are not counted: the first fifth of the layers.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simulations.centred.rollout import rollout
from simulations.numbers import Numbers, geometric_mean, ratio
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.arrays import Array, InputError
from theory.blocks.weights import Block
from theory.bounds.coefficients import block_coefficients, weight_norms
from theory.law.rates import mode_rates
from theory.law.transverse import transverse_eigenvalues
from theory.statements.instances import map_arrays, member

SPREAD = 1e-10
"""By which factor the tokens' differences from their mean are made small."""

SKIPPED = 5  # the first fifth of the layers is on the way to where the rates are taken
LEAST_DEPTH = 2  # a standard error is of two halves at least

READINGS = {
    "law_measured": "measured factor on d_M a layer near consensus, geometric mean",
    "law_rate": "law: the largest rate of a transverse mode, a factor a layer",
    "law_error": "standard error of the law's largest rate",
    "law_growth": "factor on the token a layer where all tokens are equal",
    "law_sigma": "sigma_1 sigma_2 near consensus, geometric mean over layers",
    "law_v": "coefficient of the block theorem near consensus, geometric mean over layers",
    "law_v_sharp": "sharper coefficient near consensus, geometric mean over layers",
}
"""What is read of a cell, by name."""


def law_readings(
    stacks: Sequence[Stack], *, seeds: range, mask: Array | None = None
) -> dict[str, Numbers]:
    """Return all `READINGS` of stacks that share their draws, one by one and seed by seed.

    Stacks that differ in their value gain alone run together. NaN stands for what a stack does
    not have (sigma without a norm), and for what cannot be measured (a distance of zero).

    Shapes: mask boolean (n, n) -> each (stacks, seeds)
    Raises: InputError for stacks of different tokens or depth or of fewer than two layers, and
            where a token leaves the range of float64
    """
    sizes = {(stack.tokens, stack.depth) for stack in stacks}
    if len(sizes) != 1:
        raise InputError(f"stacks must share their tokens and depth, but have {sorted(sizes)}")
    ((n, depth),) = sizes
    if depth < LEAST_DEPTH:
        raise InputError(f"depth must be at least {LEAST_DEPTH} for a rate, but is {depth}")
    mask = np.ones((n, n), dtype=np.bool_) if mask is None else mask
    spectrum = transverse_eigenvalues(mask)
    together: dict[Stack, list[int]] = defaultdict(list)
    for i, stack in enumerate(stacks):
        together[replace(stack, value_gain=1.0)].append(i)
    found = {name: np.full((len(stacks), len(seeds)), np.nan) for name in READINGS}
    for stack, members in together.items():
        gains = np.asarray([stacks[i].value_gain for i in members])
        blocks = [with_value_gains(block, gains) for block in draw_blocks(stack, seeds=seeds)]
        tokens = draw_tokens(stack, seeds=seeds)
        for name, values in _measured(blocks, tokens, gains, mask).items():
            found[name][members] = values
        for seed in range(len(seeds)):
            centre = tokens[seed].mean(axis=0)
            for place, i in enumerate(members):
                single = [member(block, (place, seed)) for block in blocks]
                rates = mode_rates(single, spectrum, centre, depth=1, layers=depth)
                top = int(np.argmax(rates.rates))
                found["law_rate"][i, seed] = rates.rates[top]
                found["law_error"][i, seed] = rates.errors[top]
                found["law_growth"][i, seed] = rates.token_growth
    return found


def with_value_gains(block: Block, gains: Numbers) -> Block:
    """Return one block for each value gain, as a batch before the block's own axes."""
    wide: Block = map_arrays(
        lambda array, axes: np.broadcast_to(array, (len(gains), *array.shape)), block
    )
    value = wide.attention.value
    scaled = gains.reshape(-1, *(1,) * (value.ndim - 1)) * value
    return replace(wide, attention=replace(wide.attention, value=scaled))


def _measured(
    blocks: Sequence[Block], tokens: Numbers, gains: Numbers, mask: Numbers
) -> dict[str, Numbers]:
    """Return what a run near consensus shows: each (gains, seeds)."""
    near = tokens.mean(axis=-2, keepdims=True) + SPREAD * tokens
    start = np.broadcast_to(near, (len(gains), *near.shape))
    late = len(blocks) // SKIPPED
    rows: dict[str, list[Numbers]] = defaultdict(list)
    for layer, (block, before, step, after) in enumerate(rollout(blocks, start, mask=mask)):
        if layer < late:
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # a v beyond the range is inf
            found = block_coefficients(block, step, norms=weight_norms(block))
        rows["law_measured"].append(ratio(before.log_scale, after.log_scale))
        rows["law_v"].append(found.v)
        rows["law_v_sharp"].append(found.v_sharp)
        if found.sigma_1 is not None:
            second = 1.0 if found.sigma_2 is None else found.sigma_2
            rows["law_sigma"].append(found.sigma_1 * second)
    # Tokens that had become equal have a rate of NaN, which counts as zero.
    return {
        name: geometric_mean(np.nan_to_num(values, nan=0.0, posinf=np.inf), axis=0)
        for name, values in rows.items()
    }
