"""What do the instruments read, layer by layer, on a stack of blocks?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from simulations import centred
from simulations.centred_maps import from_tokens
from simulations.readings import (
    Norms,
    Numbers,
    attention_row,
    block_row,
    centred_token_row,
    counting,
    host,
    ratio,
    ratio_of,
    stack,
    token_row,
)
from theory.arrays import Array, InputError, namespace
from theory.block_rounding import block_rounding
from theory.layers import Block, apply_block
from theory.statements import Convergence, convergence
from theory.subspace import consensus_distance

__all__ = ["Numbers", "Trace", "trace_blocks", "trace_centred"]


@dataclass(frozen=True, eq=False)
class Trace:
    """Measures of the tokens at every depth, and of every block: plain NumPy arrays.

    ``tokens`` maps a measure's name to its values before the first block and after each one;
    ``blocks`` maps a name to one value a block: lambda, s, sigma_1, sigma_2, v, v_sharp,
    v_stacked, v_error, measured_ratio, rounding, attention_entropy, attention_similarity (with
    the block before; NaN for the first) - those that could be measured. NaN stands for what is
    not defined there.

    ``measured_ratio`` is d_M after the block over d_M before it. For tokens that were equal
    before, it is NaN if they still are, up to rounding, and infinite if they are not.
    ``rounding`` is how far rounding alone can lift the ratio above v, and ``v_error`` how far
    the true v may be above the one computed.

    Shapes: tokens[name] (L + 1, *b), blocks[name] (L, *b)
    """

    tokens: Mapping[str, Numbers]
    blocks: Mapping[str, Numbers]

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(next(iter(self.tokens.values()))) - 1

    @property
    def inequality(self) -> Numbers | None:
        """Whether d_M(output) <= v d_M(input): 'holds', 'refuted' or 'does not apply', (L, *b).

        Equal tokens that stay equal obey it: 0 <= 0. Where rounding could have moved the ratio
        by as much as v it does not apply: see `undecided`. None where no v is known. What it
        implies is another question: see `converges`.
        """
        if (undecided := self.undecided) is None:
            return None
        ratio, v = self.blocks["measured_ratio"], self.blocks["v"]
        allowed = v + self.blocks["rounding"]
        holds = np.isfinite(v) & (np.isnan(ratio) | (ratio <= allowed)) & ~undecided
        words = np.where(holds, "holds", "does not apply")
        return np.where(np.isfinite(allowed) & (ratio > allowed), "refuted", words)

    @property
    def undecided(self) -> Numbers | None:
        """Where rounding may be as large as v, so that the inequality could hardly fail: (L, *b).

        A ratio that is larger than both together refutes it all the same. None without v.
        """
        if "v" not in self.blocks:
            return None
        ratio, v, rounding = (self.blocks[name] for name in ("measured_ratio", "v", "rounding"))
        drowned = np.isfinite(v) & (v > 0) & (rounding >= v)
        return drowned & ~np.isnan(ratio) & ~(ratio > v + rounding)

    @property
    def converges(self) -> Convergence | None:
        """Whether sup v < 1, so that the bound implies convergence; None where no v is known."""
        if "v" not in self.blocks:
            return None
        return convergence(self.blocks["v"], error=self.blocks["v_error"])


def trace_blocks(
    blocks: Iterable[Block],
    tokens: Array,
    *,
    mask: Array | None = None,
    present: Array | None = None,
    token_mask: Array | None = None,
) -> Trace:
    """Send tokens through blocks in plain arithmetic and measure at every layer.

    ``present`` is False for padding: nobody listens to it and the theorem is about the others.
    ``token_mask`` says which of these the similarity measures count; None counts all of them.

    Shapes: tokens (*b, n, d); mask boolean (*b, n, n); present, token_mask boolean (*b, n)
    Dtype:  float64 for verdicts that mean something
    Raises: InputError as `theory.layers.apply_block` and `theory.measures.measure_tokens` do
    """
    counts = counting(tokens.shape[-2], present, token_mask)
    audience = _audience(mask, present)
    rows = [host(token_row(tokens, counts))]
    columns: list[dict[str, Numbers]] = []
    earlier: Array | None = None
    norms = Norms()
    for layer, block in enumerate(blocks):
        try:
            step = apply_block(block, tokens, mask=audience)
        except InputError as error:
            raise InputError(f"at layer {layer}: {error}") from error
        found = attention_row(step.adjacency, earlier, present)
        found |= block_row(block, tokens, step, norms.of(block), present=present)
        noise = block_rounding(block, tokens, step, found["v"], norms=norms.of(block))
        found["measured_ratio"] = ratio_of(tokens, step.output, present=present, noise=noise)
        distance = consensus_distance(tokens, token_mask=present)
        xp = namespace(distance)
        apart = distance > 0
        found["rounding"] = xp.where(apart, noise / xp.where(apart, distance, 1.0), 0.0)
        rows.append(host(token_row(step.output, counts)))
        columns.append(host(found))
        tokens, earlier = step.output, step.adjacency
    return Trace(stack(rows), stack(columns))


def trace_centred(blocks: Iterable[Block], tokens: Array, *, mask: Array | None = None) -> Trace:
    """Measure as `trace_blocks`, with the distance to consensus right below round-off.

    Near consensus the cosine and the ranks saturate at 1 as they must; ``log10_distance``
    and ``log10_relative_distance`` go on.

    Shapes: tokens (*b, n, d); mask boolean (n, n) or (*b, n, n)
    Raises: InputError as `simulations.centred.rollout` does
    """
    rows = [host(centred_token_row(from_tokens(tokens)))]
    columns = []
    norms = Norms()
    for block, before, step, after in centred.rollout(blocks, tokens, mask=mask):
        with np.errstate(over="ignore", invalid="ignore"):  # a v beyond the range is inf
            found = block_row(block, before.tokens, step, norms.of(block), present=None)
            found["rounding"] = centred.relative_rounding(block, before, step)
        found["measured_ratio"] = ratio(before.log_scale, after.log_scale)
        rows.append(host(centred_token_row(after)))
        columns.append(host(found))
    return Trace(stack(rows), stack(columns))


def _audience(mask: Array | None, present: Array | None) -> Array | None:
    """Combine who may listen to whom with who is there at all."""
    if present is None:
        return mask
    keys = present[..., None, :]
    return keys if mask is None else mask & keys
