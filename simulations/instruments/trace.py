"""What do the instruments read, layer by layer, on a stack of blocks?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulations.centred import rollout as centred
from simulations.centred.maps import from_tokens, settle
from simulations.instruments.envelopes import centred_start, start_of, with_envelopes
from simulations.instruments.readings import (
    Judge,
    attention_row,
    block_row,
    centred_ratio_row,
    centred_saturation_row,
    centred_token_row,
    counting,
    judged_row,
    token_row,
)
from simulations.models.forward import audience
from simulations.numbers import Numbers, host, stack_rows
from theory.arrays import Array, InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.bounds.coefficients import WeightNorms
from theory.bounds.implications import FINITELY_MANY, Convergence, log_factor
from theory.records import brief_repr

# How the ends of lambda, s and v came about: by LAPACK and a bound on its error. "bracket" says
# that the norms of wide weights have the ends of `theory.spectra.brackets`, close enough for all
# digits that tables show.
EXACT = "exact"
SUBSPACE = "consensus: all tokens equal"
"""What v, d_M and the verdicts of all instruments are about: an M of rank 1."""


@brief_repr
@dataclass(frozen=True, eq=False)
class Trace:
    """Measures of the tokens at every depth, and of every block: plain NumPy arrays.

    ``tokens`` maps a measure's name to its values before the first block and after each one;
    ``blocks`` maps a name to one value a block: lambda, s, sigma_1, sigma_2, v, v_sharp,
    v_stacked, v_error, measured_ratio, rounding, attention_entropy, attention_similarity (with
    the block before; NaN for the first) - those that could be measured. NaN stands for what is
    not defined there. lambda_lower, lambda_upper, s_lower, s_upper, v_lower, v_upper,
    v_diameter_lower, v_diameter_upper enclose the true numbers, by LAPACK and a bound on its
    error; in wide layers s is the upper end of a narrow bracket, at most ``s_excess`` too large,
    relative. All that verdicts come from is float64, whatever the dtype of the run.

    ``measured_ratio`` is d_M after the block over d_M before it. For tokens that were equal
    before, it is NaN if they still are, up to rounding, and infinite if they are not.

    A trained model may have one token that d_M is nearly all about: ``largest_share`` of d_M^2 is
    that of ``largest_token``, ``largest_norm`` and ``median_norm`` are lengths of tokens. Of
    cosine_similarity, relative_distance and measured_ratio there are the values without the first
    token and without the largest (``measured_ratio_without_largest``, say); NaN if fewer than two
    are left.

    ``diameter_ratio`` is what became of the largest distance of two tokens, and ``v_diameter``
    bounds it, as v bounds measured_ratio; ``attention_diameter`` is attention's part in it. A block
    that ends with a norm puts tokens at most ``largest_distance`` from consensus, whatever comes
    in; over d_M before it that is ``saturation``, a bound on measured_ratio beside v.
    ``log10_envelope_v``, ``log10_envelope_diameter`` and ``log10_envelope`` are log10 of the most
    that d_M may be after a block, over d_M of the first tokens: by the product of v, by diameters
    (the price of passing to them is paid once), and by all bounds together.

    ``rounding`` is how far rounding alone can lift the ratio above v, and ``v_error`` how far
    the true v may be above the one computed.

    v and d_M are about consensus: all tokens equal, an M of rank 1, whatever the mask is.
    ``repeats`` says for each batch member what is implied if its one block comes again and
    again; empty where the blocks differ, or nobody asked. ``reasons`` says for each block why the
    theorem does not apply to it, "" where it does; empty where it applies to all.

    Shapes: tokens[name] (L + 1, *b), blocks[name] (L, *b)
    """

    tokens: Mapping[str, Numbers]
    blocks: Mapping[str, Numbers]
    repeats: tuple[Convergence, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(next(iter(self.tokens.values()))) - 1

    @property
    def inequality(self) -> Numbers | None:
        """Whether d_M(output) <= v d_M(input): 'holds', 'refuted' or 'does not apply', (L, *b).

        Only a ratio above the upper end of v, by more than rounding, refutes it. Equal tokens
        that stay equal obey it: 0 <= 0. Where rounding could have moved the ratio by as much as
        v it does not apply: see `undecided`. None where no v is known. What it implies is
        another question: see `converges`.
        """
        if (undecided := self.undecided) is None:
            return None
        ratio, v = self.blocks["measured_ratio"], self.blocks["v"]
        holds = np.isfinite(v) & (np.isnan(ratio) | (ratio <= v + self.blocks["rounding"]))
        words = np.where(holds & ~undecided, "holds", "does not apply")
        return np.where(self._refuted, "refuted", words)

    @property
    def _refuted(self) -> Numbers:
        ratio, allowed = self.blocks["measured_ratio"], self.blocks["v_upper"]
        allowed = allowed + self.blocks["rounding"]
        return np.asarray(np.isfinite(allowed) & (ratio > allowed))

    @property
    def undecided(self) -> Numbers | None:
        """Where rounding may be as large as v, so that the inequality could hardly fail: (L, *b).

        Also where the ratio lies between the two ends of v. A ratio that is larger than the
        upper end and rounding together refutes it all the same. None without v.
        """
        if "v" not in self.blocks:
            return None
        ratio, v, rounding = (self.blocks[name] for name in ("measured_ratio", "v", "rounding"))
        drowned = (v > 0) & (rounding >= v)
        between = ratio > v + rounding
        return np.isfinite(v) & (drowned | between) & ~np.isnan(ratio) & ~self._refuted

    @property
    def converges(self) -> Convergence | None:
        """What is implied for tokens that go on and on; None where no v is known.

        These blocks, however small their v, are finitely many and say nothing about a further
        one. Only where one block is repeated may it be "yes", for every member: see `repeats`.
        """
        if "v" not in self.blocks:
            return None
        if not self.repeats:
            return FINITELY_MANY
        yes = [each.distance for each in self.repeats].count("yes")
        alike = [each.alike for each in self.repeats].count("yes")
        # Of all members, the one about which least is known.
        worst = min(self.repeats, key=lambda each: (each.distance == "yes", each.alike == "yes"))
        if (number := len(self.repeats)) == 1:
            return worst
        reason = f"yes in {yes} of {number}, for d_M / |H| in {alike}; of the others: "
        reason = reason if alike < number else "yes in all; of one: "
        return replace(worst, reason=reason + worst.reason)

    @property
    def log10_bound(self) -> Numbers | None:
        """log10 of the factor that all blocks change d_M by at most, (*b,); None without v.

        The sum of log10 v, by the upper ends: a bound for these tokens, and no limit.
        """
        if "v" not in self.blocks:
            return None
        return np.asarray(log_factor(self.blocks["v_upper"]) / np.log(10))


def trace_blocks(
    blocks: Iterable[Block],
    tokens: Array,
    *,
    mask: Array | None = None,
    present: Array | None = None,
    token_mask: Array | None = None,
    norms: Sequence[WeightNorms] | None = None,
) -> Trace:
    """Send tokens through blocks in plain arithmetic and measure at every layer.

    ``present`` is False for padding: nobody listens to it and the theorem is about the others.
    ``token_mask`` says which of these the similarity measures count; None counts all of them.
    ``norms`` are what `simulations.instruments.readings.norms_of_blocks` gives, for who comes
    with further tokens to the same blocks: they cost seconds.

    Shapes: tokens (*b, n, d); mask boolean (*b, n, n); present, token_mask boolean (*b, n)
    Dtype:  float32 or float64; the coefficients and what is compared with them always float64
    Raises: InputError as `theory.blocks.forward.apply_block` and
            `theory.measures.tokens.measure_tokens` do
    """
    counts = counting(tokens.shape[-2], present, token_mask)
    hears = audience(mask, present)
    rows = [host(token_row(tokens, counts))]
    columns: list[dict[str, Numbers]] = []
    earlier: Array | None = None
    judge = Judge(tokens)
    there, judged_mask = judge.move(present), judge.move(hears)
    start = start_of(judge.move(tokens), present=there)
    for layer, (block, known) in enumerate(_together(blocks, norms)):
        try:
            step = apply_block(block, tokens, mask=hears)
        except InputError as error:
            raise InputError(f"at layer {layer}: {error}") from error
        exact, sizes = judge.block_with_norms(block, known)
        before, after = judge.move(tokens), step
        if judge.recomputes:
            after = apply_block(exact, before, mask=judged_mask)
        found = attention_row(step.adjacency, earlier, present)
        found |= judged_row(exact, before, after, sizes, present=there)
        rows.append(host(token_row(step.output, counts)))
        columns.append(host(found))
        tokens, earlier = step.output, step.adjacency
    return Trace(stack_rows(rows), stack_rows(with_envelopes(start, columns)))


def trace_centred(blocks: Iterable[Block], tokens: Array, *, mask: Array | None = None) -> Trace:
    """Measure as `trace_blocks`, with the distance to consensus right below round-off.

    Near consensus the cosine and the ranks saturate at 1 as they must; ``log10_distance``
    and ``log10_relative_distance`` go on.

    Shapes: tokens (*b, n, d); mask boolean (n, n) or (*b, n, n)
    Raises: InputError as `simulations.centred.rollout.rollout` does
    """
    first = from_tokens(tokens)
    rows = [host(centred_token_row(first))]
    columns = []
    judge = Judge(tokens)
    start = centred_start(judge.move(first))
    judged_mask = judge.move(mask)
    for block, before, step, after in centred.rollout(blocks, tokens, mask=mask):
        exact, norms = judge.block_with_norms(block)
        one, two = before, after
        with np.errstate(over="ignore", invalid="ignore"):  # a v beyond the range is inf
            if judge.recomputes:
                one = settle(judge.move(before))
                two, step = centred.centred_block(exact, one, mask=judged_mask)
            found = block_row(exact, one.tokens, step, norms, present=None)
            found["rounding"] = centred.relative_rounding(exact, one, step)
        found |= centred_ratio_row(one, two) | centred_saturation_row(found, one)
        rows.append(host(centred_token_row(after)))
        columns.append(host(found))
    return Trace(stack_rows(rows), stack_rows(with_envelopes(start, columns)))


def _together(
    blocks: Iterable[Block], norms: Iterable[WeightNorms] | None
) -> Iterator[tuple[Block, WeightNorms | None]]:
    """Yield each block with its norms, where they are given: one after the other."""
    known = None if norms is None else iter(norms)
    for block in blocks:
        own = None if known is None else next(known, None)
        if known is not None and own is None:
            raise InputError("norms must be one a block, but are fewer")
        yield block, own
    if known is not None and next(known, None) is not None:
        raise InputError("norms must be one a block, but are more")
