"""What does the block theorem say about one given block?"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulations.instruments.trace import EXACT
from simulations.law.one_block import block_law
from simulations.machine.backends import backend
from theory.arrays import (
    Array,
    InputError,
    as_mask,
    namespace,
    require_finite,
    require_float,
    require_mask,
    to_numpy,
)
from theory.blocks.weights import Block
from theory.bounds.block_rounding import coefficient_bounds
from theory.bounds.implications import convergence
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import relative_distance
from theory.statements.evaluation import check
from theory.statements.instances import as_float64
from theory.theorems.block.input import BlockInput
from theory.theorems.catalogue import CATALOGUE


@dataclass(frozen=True)
class BlockReport:
    """The block theorem on one block, the inequality and what it implies kept apart.

    ``verdict`` says whether d_M(output) <= v d_M(input): "holds", "refuted" or "does not
    apply", the last also where rounding may be as large as the right side. ``converges`` says
    whether v < 1, so that a stack of such blocks converges: "yes" or "not implied". ``reasons``
    explains both. lambda, s and v come with the ends between which the true numbers lie; both
    verdicts use the upper end of v, which is safe for what they say. ``tier`` is "exact": by
    LAPACK and a bound on its error. ``relative_in`` and ``relative_out`` are d_M / |H|: a
    distance can fall while the tokens become no more alike.

    ``law`` is the exact rate of d_M near consensus, a layer, if this block came again and again
    on the graph of its mask: `simulations.law.one_block.block_law` says on which orbit.
    ``law_method`` says how it was found, or why there is none; ``law_error`` is None where no
    error is known.
    """

    coefficients: dict[str, float | None]
    distance_in: float
    distance_out: float
    relative_in: float
    relative_out: float
    measured_ratio: float
    verdict: str
    converges: str
    reasons: tuple[str, ...]
    law: float | None
    law_error: float | None
    law_method: str
    tier: str = EXACT

    def as_dict(self) -> dict[str, Any]:
        """Return one flat object, as ``oversmooth check --json`` prints it."""
        fields = dict(vars(self))
        return {**fields.pop("coefficients"), **fields}


def check_block(
    block: Block, tokens: Array, *, adjacency: Array | None = None, mask: Array | None = None
) -> BlockReport:
    """Put one block and the tokens that enter it through the block theorem, in float64.

    Shapes: tokens (n, d), adjacency (h, n, n) in the place of queries and keys, mask (n, n),
            boolean or the integers 0 and 1
    Raises: InputError if the tokens are not a finite floating matrix of at least two tokens, or
            the block refuses them
    """
    require_float("tokens", tokens)
    if tokens.ndim != 2 or tokens.shape[0] < 2:
        raise InputError(
            f"tokens must have shape (n, d) with at least two tokens, but have {tokens.shape}"
        )
    require_finite("tokens", tokens)
    if mask is not None:
        mask = as_mask("mask", mask)
        require_mask("mask", mask, tokens.shape[0])
    given = BlockInput(block, tokens, mask=mask, adjacency=adjacency)
    xp = namespace(tokens)
    # Devices without float64 are left; the others keep their arrays.
    given = as_float64(given) if tokens.dtype == xp.float64 else backend().move(given)
    with np.errstate(all="ignore"):  # what overflows is refused, or does not apply, by name
        verdict = check(CATALOGUE["block-v"], given)
        step, found = given.step, given.coefficients
    coefficients = {
        name: None if value is None else float(to_numpy(value)) for name, value in found.items()
    }
    ends = coefficient_bounds(given.block, given.tokens, step, found)
    coefficients |= {name: float(to_numpy(value)) for name, value in ends.items()}
    implied = convergence(found.v, error=ends.v_upper - found.v)
    if not verdict.applies:
        reason = "v comes from hypotheses that are not met here, so it implies nothing"
        implied = replace(implied, status="not implied", reason=reason)
    elif implied.status == "yes":
        implied = replace(implied, reason=implied.reason + _second_time(given))
    word, reasons = verdict.status, [f"not met: {reason}" for reason in verdict.reasons]
    reasons += [f"could not be computed: {reason}" for reason in verdict.unknown]
    if word == "holds" and verdict.rounding >= verdict.rhs > 0:
        word = "does not apply"
        reasons.append(
            f"rounding decides: it may reach {verdict.rounding:.3g}, and v d_M(input) is "
            f"{verdict.rhs:.3g}"
        )
    with np.errstate(all="ignore"):
        law = block_law(given.block, given.tokens, adjacency=given.adjacency, mask=given.mask)
    before, after = (float(consensus_distance(x)) for x in (given.tokens, step.output))
    upper = float(to_numpy(ends.v_upper))
    if word == "refuted" and not verdict.lhs > upper * before + verdict.rounding:
        word = "does not apply"
        reasons.append(f"d_M(output) is above v d_M(input), but v may be as large as {upper:.3g}")
    if verdict.applies:
        reasons.append(
            f"judged in float64 by the upper end of v, {upper:.17g}: only more than that would "
            "refute the inequality, and only less than 1 implies convergence"
        )
    return BlockReport(
        coefficients=coefficients,
        distance_in=before,
        distance_out=after,
        relative_in=float(relative_distance(given.tokens)),
        relative_out=float(relative_distance(step.output)),
        measured_ratio=after / before if before > 0 else np.nan,
        verdict=word,
        converges=implied.status,
        reasons=(*reasons, implied.reason),
        law=law.rate,
        law_error=law.error,
        law_method=law.method,
    )


def _second_time(given: BlockInput) -> str:
    """Say what v is on the block's own output: a norm forgets how large its input was."""
    again = replace(given, tokens=given.step.output)
    try:
        v = float(to_numpy(again.coefficients.v))
    except InputError as error:
        return f"; applied to its own output it fails ({error})"
    return f"; on the block's own output v is {v:.3g}"
