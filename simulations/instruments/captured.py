"""What can be read from hidden states and attention weights that were captured elsewhere?"""

from collections.abc import Sequence
from typing import Any

from simulations.instruments.readings import (
    attention_row,
    counting,
    coupling_row,
    ratio_of,
    token_row,
)
from simulations.instruments.shares import require_shares
from simulations.instruments.trace import Trace
from simulations.numbers import Numbers, host, stack_rows
from theory.arrays import (
    Array,
    InputError,
    as_mask,
    constant,
    namespace,
    require_float,
    require_shape,
)


def trace_captured(
    hidden_states: Sequence[Array] | Array,
    attentions: Sequence[Array] | Array | None = None,
    *,
    present: Array | None = None,
    token_mask: Array | None = None,
) -> Trace:
    """Measure hidden states and attention weights that were captured elsewhere.

    Any framework's arrays will do, in a sequence or stacked: one (*b, n, d) before the first
    block and after each, and one (*b, h, n, n) for each block, or none. Without weights there is
    no v. ``present`` and ``token_mask`` are as in `simulations.instruments.trace.trace_blocks`:
    padding, and what else the similarity measures leave out.

    Every token that is present must share out all its attention among those that are, up to what a
    softmax in half precision misses: `simulations.instruments.shares` says how much that is.

    Shapes: present, token_mask (*b, n), boolean or the integers 0 and 1
    Raises: InputError if there is no hidden state, the numbers do not fit, an array is not
            float32 or float64, or attention weights are negative or do not sum to one
    """
    hidden_states = _each("hidden_states", hidden_states)
    if attentions is not None:
        attentions = _each("attentions", attentions)
        _require_there(attentions)
    attentions = () if attentions is None else attentions
    present = None if present is None else as_mask("present", present)
    token_mask = None if token_mask is None else as_mask("token_mask", token_mask)
    if not hidden_states:
        raise InputError("hidden_states must hold at least one array, but is empty")
    if attentions and len(attentions) != len(hidden_states) - 1:
        raise InputError(
            f"attentions must be one fewer than hidden_states ({len(hidden_states)}, the "
            f"embeddings first), but are {len(attentions)}"
        )
    for layer, tokens in enumerate(hidden_states):
        require_float(f"hidden_states[{layer}]", tokens)
        if tuple(tokens.shape[:-1]) != tuple(hidden_states[0].shape[:-1]):
            raise InputError(
                f"hidden_states[{layer}] must have the batch and tokens of hidden_states[0], "
                f"{tuple(hidden_states[0].shape)}, but has {tuple(tokens.shape)}"
            )
    require_shape("hidden_states[0]", hidden_states[0], "n", "d")
    batch, n = tuple(hidden_states[0].shape[:-2]), hidden_states[0].shape[-2]
    counts = counting(n, present, token_mask)
    for layer, adjacency in enumerate(attentions):
        require_float(f"attentions[{layer}]", adjacency)
        require_shape(f"attentions[{layer}]", adjacency, *batch, "h", n, n)
        _require_shares(f"attentions[{layer}]", adjacency, present)
    rows = [host(token_row(tokens, counts)) for tokens in hidden_states]
    columns: list[dict[str, Numbers]] = []
    for layer in range(1, len(rows)):
        before, after = hidden_states[layer - 1], hidden_states[layer]
        found = {"measured_ratio": ratio_of(before, after, present=present)}
        if attentions:
            earlier = attentions[layer - 2] if layer > 1 else None
            found |= coupling_row(attentions[layer - 1], present)
            found |= attention_row(attentions[layer - 1], earlier, present)
        columns.append(host(found))
    return Trace(stack_rows(rows), stack_rows(columns))


def _require_there(attentions: tuple[Array | None, ...]) -> None:
    """Raise InputError for what a model that keeps its attention weights to itself gives."""
    missing = [layer for layer, weights in enumerate(attentions) if weights is None]
    if missing or not attentions:
        have = f"attentions[{missing[0]}] is None" if missing else "are empty"
        raise InputError(
            f"attentions must hold the weights of every layer, but {have}: transformers gives them "
            'with attn_implementation="eager" and output_attentions=True; leave attentions out to '
            "measure hidden states alone"
        )


def _each(name: str, arrays: Any) -> tuple[Array, ...]:
    try:
        return tuple(arrays)
    except TypeError as error:
        raise InputError(f"{name} must be arrays in a sequence, or stacked: {error}") from error


def _require_shares(name: str, adjacency: Array, present: Array | None) -> None:
    """Raise InputError unless the rows that count are shares of one, up to half precision."""
    n = adjacency.shape[-1]
    if present is not None:
        xp = namespace(adjacency, present)
        kept = xp.where(present[..., None, None, :], adjacency, 0.0)
        # The rows of padding are not looked at; any that sum to one will do.
        first = constant([1.0] + [0.0] * (n - 1), like=adjacency)
        adjacency = xp.where(present[..., None, :, None], kept, first)
    require_shares(name, adjacency)
