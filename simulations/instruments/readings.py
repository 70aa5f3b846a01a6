"""What do the instruments read on the tokens of one layer, on one block, on its attention?"""

import math
from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from simulations.centred.maps import Centred
from simulations.instruments.one_token import one_token_row, ratios_without
from simulations.machine.backends import backend
from simulations.numbers import log, ratio
from theory.arrays import Array, eps, namespace, require_mask
from theory.blocks.weights import Block, BlockStep
from theory.bounds.block_rounding import block_rounding, coefficient_bounds
from theory.bounds.coefficients import WeightNorms, block_coefficients, weight_norms
from theory.bounds.followed import Followed, follow_rounding
from theory.bounds.saturating import saturation, saturation_factor
from theory.measures.attention import attention_entropy, attention_similarity
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import measure_tokens
from theory.spectra.norms import coupling

_Tree = TypeVar("_Tree")
_TOLERANCE = 1e-6  # of s in wide layers: the digits that are printed stay true


def counting(n: int, present: Array | None, token_mask: Array | None) -> Array | None:
    """Return which of n tokens the similarity measures count: those present and not masked out.

    Raises: InputError if a mask is not boolean or not of n tokens
    """
    for name, mask in (("present", present), ("token_mask", token_mask)):
        if mask is not None:
            require_mask(name, mask, n)
    if present is None or token_mask is None:
        return present if token_mask is None else token_mask
    return present & token_mask


class Judge:
    """What verdicts are computed from: float64, whatever the dtype of the run.

    A run in another dtype is judged on the host, each block for itself: on the very tokens that
    it got, which float64 holds as they are. A block that comes again (tied) costs nothing.
    """

    def __init__(self, tokens: Array) -> None:
        self._host = None if tokens.dtype == namespace(tokens).float64 else backend()
        self._given: Block | None = None
        self._found: tuple[Block, WeightNorms] | None = None

    @property
    def recomputes(self) -> bool:
        """Whether the run's own steps will not do, so that a block has to be computed again."""
        return self._host is not None

    def move(self, tree: _Tree) -> _Tree:
        """Return arrays, or a dataclass of them, as verdicts want them."""
        return tree if self._host is None else self._host.move(tree)

    def block_with_norms(
        self, block: Block, known: WeightNorms | None = None
    ) -> tuple[Block, WeightNorms]:
        """Return a block as verdicts want it, and its weights' norms unless they are known."""
        if self._found is None or block is not self._given:
            moved = self.move(block)
            norms = weight_norms(moved, tolerance=_TOLERANCE) if known is None else known
            self._given, self._found = block, (moved, norms)
        return self._found


def norms_of_blocks(blocks: Iterable[Block], like: Array) -> tuple[WeightNorms, ...]:
    """Return the spectral norms of every block's weights, as verdicts on tokens ``like`` want."""
    judge = Judge(like)
    return tuple(judge.block_with_norms(block)[1] for block in blocks)


def token_row(tokens: Array, token_mask: Array | None) -> dict[str, Array]:
    """Return all measures of the tokens that count, the distances as logarithms too.

    And what the largest of them is, and two measures without it, or without the first.
    """
    found: dict[str, Array] = dict(measure_tokens(tokens, token_mask=token_mask)._asdict())
    for name in ("distance", "relative_distance"):
        found[f"log10_{name}"] = log(found[name]) / math.log(10)
    return found | one_token_row(tokens, token_mask)


def centred_token_row(state: Centred) -> dict[str, Array]:
    """As `token_row`, with all that is said of the distance taken from the state."""
    xp = namespace(state.centre)
    log_relative, tokens = state.log_scale - state.log_norm, state.tokens
    found: dict[str, Array] = dict(measure_tokens(tokens)._asdict())
    found |= one_token_row(tokens, None, deviations=state.deviations, log_scale=state.log_scale)
    return found | {
        "distance": xp.exp(state.log_scale),
        "diameter": token_diameter(state.deviations) * xp.exp(state.log_scale),
        "relative_distance": xp.exp(log_relative),
        "log10_distance": state.log_scale / math.log(10),
        "log10_relative_distance": log_relative / math.log(10),
    }


def block_row(
    block: Block,
    tokens: Array,
    step: BlockStep,
    norms: WeightNorms,
    *,
    present: Array | None,
    followed: Followed | None = None,
) -> dict[str, Array]:
    """Return the coefficients that a block has, their lower and upper ends, and the error of v.

    And the largest d_M that it can put out, if it ends with a norm.
    """
    found = block_coefficients(block, step, norms=norms, token_mask=present)
    ends = coefficient_bounds(
        block, tokens, step, found, norms=norms, token_mask=present, followed=followed
    )
    row = {name: value for name, value in found.items() if value is not None}
    excess = 0 * found.v + norms.excess
    limit = saturation(block, tokens, token_mask=present)
    if limit is not None:
        row["largest_distance"] = limit + 0 * found.v
    return row | dict(ends.items()) | {"v_error": ends.v_upper - found.v, "s_excess": excess}


def judged_row(
    block: Block,
    tokens: Array,
    step: BlockStep,
    norms: WeightNorms,
    *,
    present: Array | None,
) -> dict[str, Array]:
    """As `block_row`, with the measured ratios and how far rounding alone can lift them."""
    followed = follow_rounding(block, tokens, step, norms)
    found = block_row(block, tokens, step, norms, present=present, followed=followed)
    noise = block_rounding(block, tokens, step, found["v"], norms=norms, followed=followed)
    distance = consensus_distance(tokens, token_mask=present)
    xp = namespace(distance)
    found |= ratio_row(tokens, step.output, present=present, noise=noise, distance=distance)
    apart = distance > 0
    found["rounding"] = xp.where(apart, noise / xp.where(apart, distance, 1.0), 0.0)
    factor = saturation_factor(block, tokens, token_mask=present, distance=distance)
    if factor is not None:
        found["saturation"] = factor + 0 * found["v"]
    return found


def centred_saturation_row(found: dict[str, Array], before: Centred) -> dict[str, Array]:
    """Return the saturation of a block from what `block_row` found, of a state.

    An upper end: the logarithm of d_M is known to some eps of itself, and so d_M to some 1e3 eps.
    """
    if (limit := found.get("largest_distance")) is None:
        return {}
    xp = namespace(before.log_scale)
    lost = 1 + 64 * eps(limit) * (1 + xp.abs(xp.clip(before.log_scale, min=-1e4)))
    with np.errstate(over="ignore"):  # infinite where no float64 is so large
        return {"saturation": xp.exp(xp.log(limit * lost) - before.log_scale)}


def attention_row(
    adjacency: Array, earlier: Array | None, token_mask: Array | None
) -> dict[str, Array]:
    """Return the mean entropy, and the similarity to the attention of the layer before."""
    xp = namespace(adjacency)
    entropy = xp.mean(attention_entropy(adjacency, token_mask=token_mask), axis=-1)
    similarity = (
        xp.full_like(entropy, xp.nan)
        if earlier is None or earlier.shape[-3:] != adjacency.shape[-3:]
        else attention_similarity(adjacency, earlier, token_mask=token_mask)
    )
    return {"attention_entropy": entropy, "attention_similarity": similarity}


def coupling_row(adjacency: Array, token_mask: Array | None) -> dict[str, Array]:
    """Return lambda, for attention whose block is not known; `block_row` has it otherwise."""
    root = coupling(adjacency, token_mask=token_mask)
    return {"lambda": namespace(root).max(root, axis=-1) ** 2}


def ratio_row(
    before: Array,
    after: Array,
    *,
    present: Array | None,
    noise: Array | float = 0.0,
    distance: Array | None = None,
) -> dict[str, Array]:
    """Return by how much distance and diameter of the tokens that are present have changed.

    The distance of all of them, and without the largest or the first. ``distance`` is that of
    the tokens before, if it is known.
    """
    first = consensus_distance(before, token_mask=present) if distance is None else distance
    last = consensus_distance(after, token_mask=present)
    found = {"measured_ratio": ratio(log(first), log(last), noise=noise)}
    logs = (log(token_diameter(tokens, token_mask=present)) for tokens in (before, after))
    found["diameter_ratio"] = ratio(*logs, noise=2 * noise)
    return found | ratios_without(before, after, present=present, noise=noise)


def centred_ratio_row(before: Centred, after: Centred) -> dict[str, Array]:
    """As `ratio_row`, of two states."""
    xp = namespace(before.log_scale)
    found = {"measured_ratio": ratio(before.log_scale, after.log_scale)}
    logs = (log(token_diameter(each.deviations)) + each.log_scale for each in (before, after))
    found["diameter_ratio"] = ratio(*logs)
    start = xp.where(xp.isinf(before.log_scale), 0.0, before.log_scale)
    growth = after.log_scale - start
    return found | ratios_without(
        before.deviations, after.deviations, present=None, log_growth=growth
    )
