"""What does the block theorem say about one given block?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulations.instruments.envelopes import BOUNDS
from simulations.instruments.trace import EXACT, SUBSPACE
from simulations.law.one_block import BlockLaw, block_law
from simulations.law.words import consensus_words, span_words
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
from theory.balls.nearest import certify_given
from theory.balls.verdicts import CertifiedVerdict
from theory.blocks.weights import Block
from theory.bounds.block_rounding import coefficient_bounds
from theory.bounds.implications import Convergence, convergence
from theory.bounds.saturating import saturation_factor
from theory.bounds.supremum import suprema
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import relative_distance
from theory.records import brief_repr
from theory.statements.evaluation import check
from theory.statements.instances import as_float64
from theory.theorems.block.input import BlockInput
from theory.theorems.catalogue import CATALOGUE


@brief_repr
@dataclass(frozen=True)
class BlockReport:
    """The block theorem on one block: three questions, and which distance each is about.

    ``verdict`` says whether d_M(output) <= v d_M(input): "holds", "refuted" or "does not
    apply", the last also where rounding may be as large as the right side. ``below_one`` says
    whether v < 1 on these tokens, "yes" or "no", and nothing about any others. ``converges``
    says whether d_M falls to zero if this block and mask come again and again, whatever tokens
    enter, and ``alike`` whether d_M / |H| does: "yes" or "not implied". ``sup_v`` bounds v of
    every block from ``sup_after`` on, or the sharp v, or v_diameter, where ``sup_form`` says so;
    None where no bound is known. ``reasons`` explains all.
    ``diameter_verdict`` is the same of the largest distance of two tokens: whether
    ``diameter_ratio`` is at most v_diameter. ``saturation`` bounds measured_ratio where the block
    ends with a norm, whatever it does; None where it does not. ``smallest`` names the smallest
    bound of all, and ``smallest_but_saturation`` that of those that know what the block does.
    lambda, s, v and v_diameter come with the ends between which the true numbers lie; verdicts use
    the upper end of v. ``tier`` is "exact": by LAPACK and a bound on its error. ``relative_in`` and
    ``relative_out`` are d_M / |H|: a distance can fall while the tokens become no more alike.

    v, d_M and all verdicts are about ``subspace``, of rank ``rank``: all tokens equal. ``law`` is
    about another M, ``law_subspace`` of rank ``law_rank``: the span of the indicators of the
    graph's ``components``, with ``transverse_modes`` left. It is the exact rate of small
    distances to that M, a layer, if this block came again and again on the graph of its mask, or
    on the walks that equal tokens have where scores have positions:
    `simulations.law.one_block.block_law` says on which orbit. ``law_method`` says how it was
    found, or why there is none; ``law_error`` is None where no error is known. With several
    components ``law_consensus`` is the rate of the distance to ``subspace``.

    ``certified`` is the block theorem's verdict with all rounding enclosed, if that was asked for.
    """

    coefficients: dict[str, float | None]
    distance_in: float
    distance_out: float
    relative_in: float
    relative_out: float
    measured_ratio: float
    diameter_in: float
    diameter_out: float
    diameter_ratio: float
    saturation: float | None
    smallest: str
    smallest_but_saturation: str
    subspace: str
    rank: int
    verdict: str
    diameter_verdict: str
    below_one: str
    converges: str
    alike: str
    sup_v: float | None
    sup_after: int | None
    sup_form: str
    reasons: tuple[str, ...]
    law: float | None
    law_error: float | None
    law_method: str
    components: int
    law_subspace: str
    law_rank: int
    transverse_modes: int
    law_consensus: float | None
    tier: str = EXACT
    certified: CertifiedVerdict | None = None

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The verdict in float64 and, if it was asked for, the certified one."""
        return (self.verdict,) if self.certified is None else (self.verdict, self.certified.outcome)

    def as_dict(self) -> dict[str, Any]:
        """Return one flat object, as ``oversmooth check --json`` prints it."""
        fields = dict(vars(self))
        if self.certified is None:
            del fields["certified"]
        else:
            fields["certified"] = self.certified.as_json()
        return {**fields.pop("coefficients"), **fields}


def check_block(
    block: Block,
    tokens: Array,
    *,
    adjacency: Array | None = None,
    mask: Array | None = None,
    certify: bool = False,
) -> BlockReport:
    """Put one block and the tokens that enter it through the block theorem, in float64.

    ``certify`` adds what `theory.balls.nearest.certify_given` says of the same numbers, where
    nothing is rounded; it needs python-flint.

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
        wide = check(CATALOGUE["block-v-diameter"], given)
        step, found = given.step, given.coefficients
    coefficients = {
        name: None if value is None else float(to_numpy(value)) for name, value in found.items()
    }
    ends = coefficient_bounds(given.block, given.tokens, step, found)
    coefficients |= {name: float(to_numpy(value)) for name, value in ends.items()}
    certified = certify_given(CATALOGUE["block-v"], given) if certify else None
    upper = float(to_numpy(ends.v_upper))
    implied = _implied(given, upper) if verdict.applies else _NOTHING
    word, reasons = verdict.status, [f"not met: {reason}" for reason in verdict.reasons]
    reasons += [f"could not be computed: {reason}" for reason in verdict.unknown]
    if verdict.drowned:
        reasons.append(
            f"rounding decides: it may reach {verdict.rounding:.3g}, and v d_M(input) is "
            f"{verdict.rhs:.3g}"
        )
    with np.errstate(all="ignore"):
        law = block_law(given.block, given.tokens, adjacency=given.adjacency, mask=given.mask)
    before, after = (float(consensus_distance(x)) for x in (given.tokens, step.output))
    diameters = [float(token_diameter(x)) for x in (given.tokens, step.output)]
    limited = saturation_factor(given.block, given.tokens)
    limit = None if limited is None else float(to_numpy(limited))
    wide_word, most = wide.status, float(to_numpy(ends.v_diameter_upper)) * diameters[0]
    if wide_word == "refuted" and not diameters[1] > most + wide.rounding:
        wide_word = "does not apply"
    if word == "refuted" and not verdict.lhs > upper * before + verdict.rounding:
        word = "does not apply"
        reasons.append(f"d_M(output) is above v d_M(input), but v may be as large as {upper:.3g}")
    if verdict.applies:
        reasons.append(
            f"judged in float64 by the upper end of v, {upper:.17g}: only more than that would "
            "refute the inequality"
        )
    return BlockReport(
        coefficients=coefficients,
        distance_in=before,
        distance_out=after,
        relative_in=float(relative_distance(given.tokens)),
        relative_out=float(relative_distance(step.output)),
        measured_ratio=after / before if before > 0 else np.nan,
        diameter_in=diameters[0],
        diameter_out=diameters[1],
        diameter_ratio=diameters[1] / diameters[0] if diameters[0] > 0 else np.nan,
        saturation=limit,
        smallest=_smallest({**coefficients, "saturation": limit}),
        smallest_but_saturation=_smallest(coefficients),
        subspace=SUBSPACE,
        rank=1,
        verdict=word,
        diameter_verdict=wide_word,
        below_one="yes" if verdict.applies and upper < 1 else "no",
        converges=implied.distance,
        alike=implied.alike,
        sup_v=implied.bound,
        sup_after=implied.after,
        sup_form=implied.form,
        reasons=(*reasons, implied.reason, *_components_words(law)),
        law=law.rate,
        law_error=law.error,
        law_method=law.method,
        components=law.rank,
        law_subspace=span_words(law.rank, law.modes) if law.rank else "unknown",
        law_rank=law.rank,
        transverse_modes=law.modes,
        law_consensus=law.consensus,
        certified=certified,
    )


def _smallest(bounds: Mapping[str, float | None]) -> str:
    """Name the smallest bound, and what it is about."""
    known = {name: value for name in BOUNDS if (value := bounds.get(name)) is not None}
    known = {name: value for name, value in known.items() if np.isfinite(value)}
    if not known:
        return "none"
    name = min(known, key=lambda each: known[each])
    about = "the diameter" if name == "v_diameter" else "d_M"
    return f"{BOUNDS[name]}, {known[name]:.4g}, on {about}"


_NOTHING = Convergence(
    "not implied",
    "not implied",
    None,
    None,
    "v comes from hypotheses that are not met here, so it implies nothing",
)


def _implied(given: BlockInput, v: float) -> Convergence:
    """Say what is implied for all later blocks, and how little v on these tokens says of it."""
    found = suprema(given.block, given.tokens.shape[0], mask=given.mask, adjacency=given.adjacency)
    implied = convergence(found)
    if implied.distance == "yes":
        return implied
    try:
        with np.errstate(all="ignore"):
            again = replace(given, tokens=given.step.output)
            own = f"{float(to_numpy(again.coefficients.v)):.3g} on the block's own output"
    except InputError as error:
        own = f"the block refuses its own output ({error})"
    here = f"v is {v:.3g} on these tokens and {own}"
    return replace(
        implied, reason=f"{here}, a norm forgetting how large its input was; {implied.reason}"
    )


def _components_words(law: BlockLaw) -> list[str]:
    if law.rank < 2 or law.consensus is None:
        return []
    return [consensus_words(law.consensus, law.rank)]
