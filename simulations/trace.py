"""What do the instruments read, layer by layer, on any stack: random, pretrained or captured?"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from simulations import centred
from simulations.centred_maps import Centred, from_tokens
from theory.arrays import (
    Array,
    InputError,
    namespace,
    require_float,
    require_mask,
    require_shape,
    to_numpy,
)
from theory.attention_measures import attention_entropy, attention_similarity
from theory.block_rounding import block_rounding
from theory.coefficients import WeightNorms, block_coefficients, weight_norms
from theory.layers import Block, BlockStep, apply_block
from theory.measures import measure_tokens
from theory.spectra import coupling
from theory.statements import Convergence, convergence
from theory.subspace import consensus_distance

Numbers: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Trace:
    """Measures of the tokens at every depth, and of every block: plain NumPy arrays.

    ``tokens`` maps a measure's name to its values before the first block and after each one;
    ``blocks`` maps a name to one value a block: lambda, s, sigma_1, sigma_2, v, v_sharp,
    v_stacked, measured_ratio, attention_entropy, attention_similarity (with the block before;
    NaN for the first) - those that could be measured. NaN stands for what is not defined there.

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

        None where no v is known. What it implies is another question: see `converges`.
        """
        if "v" not in self.blocks:
            return None
        ratio, v = self.blocks["measured_ratio"], self.blocks["v"]
        allowed = v + self.blocks["rounding"]
        words = np.where(ratio <= allowed, "holds", "refuted")
        return np.where(np.isfinite(ratio) & np.isfinite(allowed), words, "does not apply")

    @property
    def converges(self) -> Convergence | None:
        """Whether sup v < 1, so that the bound implies convergence; None where no v is known."""
        return convergence(self.blocks["v"]) if "v" in self.blocks else None


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
    ``token_mask`` says which of these the similarity measures count; None counts all present.

    Shapes: tokens (*b, n, d); mask boolean (*b, n, n); present, token_mask boolean (*b, n)
    Dtype:  float64 for verdicts that mean something
    Raises: InputError as `theory.layers.apply_block` and `theory.measures.measure_tokens` do
    """
    if present is not None:
        require_mask("present", present, tokens.shape[-2])
    steps = _plain(blocks, tokens, _audience(mask, present))
    return _collect(steps, tokens, present=present, token_mask=token_mask)


def trace_centred(blocks: Iterable[Block], tokens: Array, *, mask: Array | None = None) -> Trace:
    """Measure as `trace_blocks`, with the distance to consensus right below round-off.

    Near consensus the cosine and the ranks saturate at 1 as they must; ``log10_distance``
    and ``log10_relative_distance`` go on.

    Shapes: tokens (*b, n, d); mask boolean (n, n) or (*b, n, n)
    Raises: InputError as `simulations.centred.rollout` does
    """
    rows = [_host(_centred_token_row(from_tokens(tokens)))]
    columns = []
    norms = _Norms()
    for block, before, step, after in centred.rollout(blocks, tokens, mask=mask):
        with np.errstate(over="ignore"):  # a v beyond the range of the dtype is inf
            found = _block_row(block, step, norms.of(block), present=None)
            found["rounding"] = centred.relative_rounding(block, before, step)
        found["measured_ratio"] = _ratio(before.log_scale, after.log_scale)
        rows.append(_host(_centred_token_row(after)))
        columns.append(_host(found))
    return Trace(_stack(rows), _stack(columns))


def trace_captured(
    hidden_states: Sequence[Array],
    attentions: Sequence[Array] = (),
    *,
    token_mask: Array | None = None,
) -> Trace:
    """Measure hidden states and attention weights that were captured elsewhere.

    Any framework's arrays will do: one (*b, n, d) before the first block and after each, and
    one (*b, h, n, n) for each block, or none. Without weights there is no v.

    Raises: InputError if there is no hidden state, the numbers do not fit, or an array is not
            float32 or float64
    """
    if not hidden_states:
        raise InputError("hidden_states must hold at least one array, but is empty")
    if attentions and len(attentions) != len(hidden_states) - 1:
        raise InputError(
            f"attentions must be one fewer than hidden_states ({len(hidden_states)}, the "
            f"embeddings first), but are {len(attentions)}"
        )
    rows = []
    for layer, tokens in enumerate(hidden_states):
        require_float(f"hidden_states[{layer}]", tokens)
        if tuple(tokens.shape[:-1]) != tuple(hidden_states[0].shape[:-1]):
            raise InputError(
                f"hidden_states[{layer}] must have the batch and tokens of hidden_states[0], "
                f"{tuple(hidden_states[0].shape)}, but has {tuple(tokens.shape)}"
            )
        rows.append(_host(_plain_token_row(tokens, token_mask)))
    batch, n = tuple(hidden_states[0].shape[:-2]), hidden_states[0].shape[-2]
    for layer, adjacency in enumerate(attentions):
        require_float(f"attentions[{layer}]", adjacency)
        require_shape(f"attentions[{layer}]", adjacency, *batch, "h", n, n)
    columns: list[dict[str, Numbers]] = []
    for layer in range(1, len(rows)):
        logs = (rows[i]["log10_distance"] * math.log(10) for i in (layer - 1, layer))
        columns.append({"measured_ratio": _ratio(*logs)})
        if attentions:
            earlier = attentions[layer - 2] if layer > 1 else None
            found = _attention_row(attentions[layer - 1], earlier, token_mask)
            columns[-1] |= _host(found)
    return Trace(_stack(rows), _stack(columns))


def _plain(
    blocks: Iterable[Block], tokens: Array, mask: Array | None
) -> Iterator[tuple[Block, Array, BlockStep]]:
    for layer, block in enumerate(blocks):
        try:
            step = apply_block(block, tokens, mask=mask)
        except InputError as error:
            raise InputError(f"at layer {layer}: {error}") from error
        yield block, tokens, step
        tokens = step.output


def _audience(mask: Array | None, present: Array | None) -> Array | None:
    """Combine who may listen to whom with who is there at all."""
    if present is None:
        return mask
    keys = present[..., None, :]
    return keys if mask is None else mask & keys


class _Norms:
    """Spectral norms of the weights, computed once for a block that is used again (tied)."""

    def __init__(self) -> None:
        self._block: Block | None = None
        self._norms: WeightNorms | None = None

    def of(self, block: Block) -> WeightNorms:
        if self._norms is None or block is not self._block:
            self._block, self._norms = block, weight_norms(block)
        return self._norms


def _collect(
    steps: Iterator[tuple[Block, Array, BlockStep]],
    tokens: Array,
    *,
    present: Array | None,
    token_mask: Array | None,
) -> Trace:
    counts = present if token_mask is None else token_mask
    rows = [_host(_plain_token_row(tokens, counts))]
    columns: list[dict[str, Numbers]] = []
    earlier: Array | None = None
    norms = _Norms()
    for block, before, step in steps:
        found = _attention_row(step.adjacency, earlier, present)
        found |= _block_row(block, step, norms.of(block), present=present)
        logs = (_log(consensus_distance(x, token_mask=present)) for x in (before, step.output))
        found["measured_ratio"] = _ratio(*logs)
        allowed = block_rounding(block, before, step, found["v"], norms=norms.of(block))
        distance = consensus_distance(before, token_mask=present)
        xp = namespace(distance)
        found["rounding"] = allowed / xp.where(distance > 0, distance, xp.nan)
        rows.append(_host(_plain_token_row(step.output, counts)))
        columns.append(_host(found))
        earlier = step.adjacency
    return Trace(_stack(rows), _stack(columns))


def _plain_token_row(tokens: Array, token_mask: Array | None) -> dict[str, Array]:
    found: dict[str, Array] = dict(measure_tokens(tokens, token_mask=token_mask)._asdict())
    for name in ("distance", "relative_distance"):
        found[f"log10_{name}"] = _log(found[name]) / math.log(10)
    return found


def _centred_token_row(state: Centred) -> dict[str, Array]:
    """As `_plain_token_row`, with all that is said of the distance taken from the state."""
    xp = namespace(state.centre)
    log_relative = state.log_scale - state.log_norm
    found: dict[str, Array] = dict(measure_tokens(state.tokens)._asdict())
    return found | {
        "distance": xp.exp(state.log_scale),
        "relative_distance": xp.exp(log_relative),
        "log10_distance": state.log_scale / math.log(10),
        "log10_relative_distance": log_relative / math.log(10),
    }


def _block_row(
    block: Block,
    step: BlockStep,
    norms: WeightNorms,
    *,
    present: Array | None,
) -> dict[str, Array]:
    found = block_coefficients(block, step, norms=norms, token_mask=present)
    return {name: value for name, value in found.items() if value is not None}


def _attention_row(
    adjacency: Array, earlier: Array | None, token_mask: Array | None
) -> dict[str, Array]:
    xp = namespace(adjacency)
    root = coupling(adjacency, token_mask=token_mask)
    row = {
        "lambda": xp.max(root, axis=-1) ** 2,
        "attention_entropy": xp.mean(attention_entropy(adjacency, token_mask=token_mask), axis=-1),
    }
    row["attention_similarity"] = (
        xp.full_like(row["lambda"], xp.nan)
        if earlier is None or earlier.shape[-3:] != adjacency.shape[-3:]
        else attention_similarity(adjacency, earlier, token_mask=token_mask)
    )
    return row


def _log(positive: Array) -> Array:
    """Return the logarithm, -inf for zero, without a warning."""
    xp = namespace(positive)
    return xp.where(positive > 0, xp.log(xp.where(positive > 0, positive, 1.0)), -xp.inf)


def _ratio(log_before: Array, log_after: Array) -> Array:
    """Return after / before; NaN for 0 / 0, where the tokens were equal already."""
    xp = namespace(log_before)
    gone = xp.isinf(log_before)
    return xp.where(gone, xp.nan, xp.exp(log_after - xp.where(gone, 0.0, log_before)))


def _host(row: Mapping[str, Array]) -> dict[str, Numbers]:
    return {name: to_numpy(value) for name, value in row.items()}


def _stack(rows: Sequence[Mapping[str, Numbers]]) -> dict[str, Numbers]:
    """Stack what the layers gave; NaN where a layer lacks it (no feed-forward, no norm)."""
    found: dict[str, Numbers] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        known = next(row[name] for row in rows if name in row)
        found[name] = np.stack([row.get(name, np.full_like(known, np.nan)) for row in rows])
    return found
