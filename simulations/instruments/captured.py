"""What can be read from hidden states and attention weights that were captured elsewhere?"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from simulations.instruments.one_token import WITHOUT
from simulations.instruments.readings import (
    attention_row,
    counting,
    coupling_row,
    ratio_row,
    token_row,
)
from simulations.instruments.shares import require_one_sum, require_shares
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
    to_numpy,
)

_RATIOS = (
    "measured_ratio",
    "diameter_ratio",
    *(f"measured_ratio_without_{name}" for name in WITHOUT),
)
_FAR = 4.0  # trained blocks in the middle differ by less; a final norm changes lengths by 10 or 100


def trace_captured(
    hidden_states: Sequence[Array] | Array,
    attentions: Sequence[Array] | Array | None = None,
    *,
    present: Array | None = None,
    token_mask: Array | None = None,
    attention: Literal["shares", "as given"] = "shares",
    final_norm: bool | None = None,
) -> Trace:
    """Measure hidden states and attention weights that were captured elsewhere.

    Any framework's arrays will do, in a sequence or stacked: one (*b, n, d) before the first
    block and after each, and one (*b, h, n, n) for each block, or none. Without weights there is
    no v. ``present`` and ``token_mask`` are as in `simulations.instruments.trace.trace_blocks`:
    padding, and what else the similarity measures leave out.

    Every token that is present must share out all its attention among those that are, up to what a
    softmax in half precision misses: `simulations.instruments.shares` says how much that is. With
    ``attention`` "as given" weights may be negative and sum to another number, as long as it is
    one for all rows of a head: then lambda is that of these weights, and there is no entropy.

    The last of the hidden states that transformers gives of GPT-2, Llama and most decoders stands
    after the norm that follows the blocks: no ratio then says what the last block does. With
    ``final_norm`` True the last block has none (NaN); False says that the state is the block's
    own; None warns where the last ratio is far from the others.

    Shapes: present, token_mask (*b, n), boolean or the integers 0 and 1
    Raises: InputError if there is no hidden state, the numbers do not fit, an array is not
            float32 or float64, a token that is present is not finite, or attention weights are
            negative or do not sum to one, or to one number where they are as given
    """
    if attention not in ("shares", "as given"):
        raise InputError(f"attention must be 'shares' or 'as given', but is {attention!r}")
    hidden_states = _each("hidden_states", hidden_states)
    if attentions is not None:
        attentions = _each("attentions", attentions)
    present = None if present is None else as_mask("present", present)
    token_mask = None if token_mask is None else as_mask("token_mask", token_mask)
    if not hidden_states:
        raise InputError("hidden_states must hold at least one array, but is empty")
    if attentions is not None and len(hidden_states) > 1:
        _require_there(attentions)
    attentions = () if attentions is None else attentions
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
    for layer, tokens in enumerate(hidden_states):
        _require_finite(layer, tokens, present)
    for layer, adjacency in enumerate(attentions):
        require_float(f"attentions[{layer}]", adjacency)
        require_shape(f"attentions[{layer}]", adjacency, *batch, "h", n, n)
        require = _require_shares if attention == "shares" else _require_one_sum
        require(f"attentions[{layer}]", adjacency, present)
    rows = [host(token_row(tokens, counts)) for tokens in hidden_states]
    columns: list[dict[str, Numbers]] = []
    for layer in range(1, len(rows)):
        before, after = hidden_states[layer - 1], hidden_states[layer]
        found = ratio_row(before, after, present=present)
        if attentions:
            earlier = attentions[layer - 2] if layer > 1 else None
            found |= coupling_row(attentions[layer - 1], present)
            if attention == "shares":
                found |= attention_row(attentions[layer - 1], earlier, present)
        columns.append(host(found))
    if final_norm is None:
        _warn_of_final_norm([column["measured_ratio"] for column in columns])
    elif final_norm and columns:
        columns[-1] |= {name: np.full_like(columns[-1][name], np.nan) for name in _RATIOS}
    return Trace(stack_rows(rows), stack_rows(columns))


def _warn_of_final_norm(ratios: Sequence[Numbers]) -> None:
    """Warn where the median text's last ratio is far from those of the blocks in the middle.

    The first block is none of them: embeddings may be small, and its ratio large.
    """
    with np.errstate(all="ignore"):
        *middle, last = [float(np.median(row)) for row in ratios[1:]] or [np.nan]
    if len(middle) < 2 or not np.isfinite([*middle, last]).all():
        return
    if min(middle) / _FAR <= last <= _FAR * max(middle):
        return
    warnings.warn(
        f"the last measured ratio is {last:.3g} where those of the blocks before it are "
        f"{min(middle):.3g} to {max(middle):.3g}: does the last hidden state stand after the "
        "final norm, as transformers gives it of GPT-2 and Llama? final_norm=True leaves the last "
        "ratio out, final_norm=False says that it is the block's own",
        stacklevel=3,
    )


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


def _require_finite(layer: int, tokens: Array, present: Array | None) -> None:
    """Raise InputError, with layer, text and token, for an infinity that is no padding's."""
    xp = namespace(tokens)
    bad = ~xp.all(xp.isfinite(tokens), axis=-1)
    bad = bad if present is None else bad & present
    if not bool(xp.any(bad)):
        return
    where = np.argwhere(to_numpy(bad))
    *text, token = (int(i) for i in where[0])
    named = f"text {text[0] if len(text) == 1 else tuple(text)}, " if text else ""
    after = "before the first block" if layer == 0 else f"after block {layer}"
    raise InputError(
        f"hidden_states[{layer}] ({after}) must be finite, but {len(where)} of its tokens hold "
        f"NaN or infinities, the first: {named}token {token}; was the model run in half precision?"
    )


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


def _require_one_sum(name: str, adjacency: Array, present: Array | None) -> None:
    """Raise InputError unless the rows of a head have one sum, up to half precision."""
    xp = namespace(adjacency, present)
    kept = adjacency
    if present is not None:
        kept = xp.where(present[..., None, None, :], adjacency, 0.0)
        # The rows of padding are not looked at, and marked as such.
        kept = xp.where(present[..., None, :, None], kept, xp.nan)
    require_one_sum(name, kept)
