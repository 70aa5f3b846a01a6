"""How one block from any framework is read from a file of arrays."""

import difflib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simulations.instruments.shares import require_shares
from simulations.machine.formats import FormatError, read_arrays
from theory.arrays import (
    Array,
    InputError,
    as_mask,
    require_finite,
    require_mask,
    require_same_lengths,
)
from theory.blocks.activations import activation
from theory.blocks.norms import Norm
from theory.blocks.positions import LAYOUTS, Positions
from theory.blocks.weights import Attention, Block, FeedForward
from theory.blocks.wiring import norms_used
from theory.records import brief_repr

_AXES: dict[str, tuple[str, ...]] = {
    "tokens": ("n", "d"),
    "adjacency": ("h", "n", "n"),
    "query": ("h", "d", "k"),
    "key": ("h", "d", "k"),
    "value_output": ("h", "d", "d"),
    "ffn_in": ("d", "f"),
    "ffn_out": ("f", "d"),
    "ffn_gate": ("d", "f"),
    "query_bias": ("h", "k"),
    "key_bias": ("h", "k"),
    "score_bias": ("h", "n", "n"),
    "rotary": ("pairs",),
    "window": (),
    "soft_cap": (),
    "attention_bias": ("d",),
    "ffn_in_bias": ("f",),
    "ffn_out_bias": ("d",),
    "ffn_gate_bias": ("f",),
    "gain_1": ("d",),
    "shift_1": ("d",),
    "gain_2": ("d",),
    "shift_2": ("d",),
    "ln_eps": (),
    "tau_1": (),
    "tau_2": (),
    "residual": (),
    "residual_attention": (),
    "residual_ffn": (),
}
_REQUIRED = ("tokens", "value_output", "ffn_in", "ffn_out")
_OTHER = ("mask", "activation", "placement", "norm", "attention", "rotary_layout")
_SCORES = (
    *("query", "key", "query_bias", "key_bias", "mask", "score_bias", "rotary", "window"),
    *("soft_cap", "rotary_layout"),
)
_NORMS = ("layer", "rms", "none")
_ATTENTION = ("shares", "as given")
_ELSEWHERE = (
    "hidden states that were captured, with or without attention weights, go through "
    "oversmooth.trace_captured, and a part of a block through oversmooth.check"
)


@brief_repr
class BlockFile(NamedTuple):
    """One block with the tokens that enter it.

    Shapes: tokens (n, d), adjacency (h, n, n) or None where query and key give it,
            mask boolean (n, n) or None; float64
    """

    block: Block
    tokens: Array
    adjacency: Array | None
    mask: Array | None


def read_block(path: Path | str) -> BlockFile:
    """Read a block from an .npz file; the names and axes are those of ``_AXES``.

    Also read: ``mask``, boolean (n, n); ``activation``, ``placement``, ``norm`` and ``attention``,
    names. An adjacency must be shares of one unless ``attention`` is "as given": then nothing is
    divided, weights may be negative, and the theorem says whether it applies to their rows.

    Raises: InputError if the file cannot be read, an array is missing, unknown, not finite or of
            the wrong dtype or shape, the rows of the adjacency do not sum to one, or the
            placement asks for norms that a file has no names for
    """
    arrays = _load(Path(path))
    read = {name: _number(name, arrays[name]) for name in _AXES if name in arrays}
    require_same_lengths((name, array, _AXES[name]) for name, array in read.items())
    n = len(read["tokens"])
    if n < 2:
        raise InputError("tokens must hold at least two tokens, but holds one: it has no distance")
    mask = arrays.get("mask")
    if mask is not None:
        mask = as_mask("mask", mask)
        require_mask("mask", mask, n, n)
        if mask.ndim != 2:
            raise InputError(f"mask must have shape (n, n), but has {mask.shape}")
        if not mask.any(axis=-1).all():
            raise InputError("mask must leave every token at least one token to listen to")
    adjacency = read.get("adjacency")
    given = _one_of("attention", arrays, _ATTENTION)
    if adjacency is not None and given == "shares":
        adjacency = _shares(adjacency)
    elif adjacency is None and given != "shares":
        raise InputError(f"attention must be left out without an adjacency, but is {given!r}")
    placement = _text("placement", arrays, "post")
    if not set(norms_used(placement)) <= {"1", "2"}:
        raise InputError(
            f"placement must be 'post', 'pre' or 'parallel' in a file, but is {placement!r}: that "
            "has norms that a file has no names for; build theory.blocks.Block, with norm_1_out, "
            "norm_2_out"
        )
    attention = Attention(
        query=read.get("query"),
        key=read.get("key"),
        value=read["value_output"],
        query_bias=read.get("query_bias"),
        key_bias=read.get("key_bias"),
        bias=read.get("attention_bias"),
        positions=_positions(arrays, read),
    )
    ffn = FeedForward(
        weight_in=read["ffn_in"],
        weight_out=read["ffn_out"],
        bias_in=read.get("ffn_in_bias"),
        bias_out=read.get("ffn_out_bias"),
        activation=activation(_text("activation", arrays, "relu")).name,
        weight_gate=read.get("ffn_gate"),
        bias_gate=read.get("ffn_gate_bias"),
    )
    kind = _one_of("norm", arrays, _NORMS)
    norms = [
        Norm(
            kind=kind,  # type: ignore[arg-type]  # one of its names
            gain=read.get(f"gain_{i}"),
            shift=read.get(f"shift_{i}"),
            eps=float(read.get("ln_eps", 0.0)),
            tau=float(read.get(f"tau_{i}", 1.0)),
        )
        for i in (1, 2)
    ]
    block = Block(
        attention,
        ffn,
        norm_1=norms[0],
        norm_2=norms[1],
        placement=placement,  # type: ignore[arg-type]  # Block checks it
        residual=float(read.get("residual", 1.0)),
        residual_attention=_optional(read.get("residual_attention")),
        residual_ffn=_optional(read.get("residual_ffn")),
    )
    return BlockFile(block, read["tokens"], adjacency, mask)


def _positions(arrays: dict[str, Any], read: dict[str, Array]) -> Positions | None:
    """Return what scores know of where tokens stand, None where the file says nothing of it."""
    if not any(name in read for name in ("score_bias", "rotary", "window", "soft_cap")):
        return None
    window = read.get("window")
    if window is not None and window != np.floor(window):
        raise InputError(f"window must be a whole number of tokens, but is {float(window)}")
    return Positions(
        bias=read.get("score_bias"),
        frequencies=read.get("rotary"),
        layout=_one_of("rotary_layout", arrays, LAYOUTS),  # type: ignore[arg-type]  # one of them
        window=None if window is None else int(window),
        soft_cap=_optional(read.get("soft_cap")),
    )


def _optional(number: Array | None) -> float | None:
    return None if number is None else float(number)


def _shares(adjacency: Array) -> Array:
    """Return attention weights with every row divided by its sum, and say so if that is much."""
    # Attention weights were mostly made in half or single precision, whatever they are now.
    require_shares("adjacency", adjacency)
    sums = adjacency.sum(axis=-1, keepdims=True)
    missed = float(np.abs(sums - 1).max())
    if missed > adjacency.shape[-1] * float(np.finfo(np.float32).eps):
        warnings.warn(
            f"the rows of adjacency miss one by up to {missed:.2g}, as those of half precision "
            "do: each was divided by its sum",
            stacklevel=3,
        )
    shares: Array = adjacency / sums
    return shares


def _load(path: Path) -> dict[str, Any]:
    try:
        return read_arrays(path, name=str(path), require=_require_known)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; an .npz file is wanted") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; an .npz file is wanted") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except FormatError as error:
        raise InputError(
            f"{path} must be an .npz file of plain arrays, as numpy.savez writes it: {error}"
        ) from error


def _require_known(names: Iterable[str]) -> None:
    arrays, known = tuple(names), (*_AXES, *_OTHER)
    for name in arrays:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise InputError(
                f"{name} is not an array that a block has{hint} Known: {', '.join(known)}; "
                f"{_ELSEWHERE}"
            )
    missing = [name for name in _REQUIRED if name not in arrays]
    has_scores = "query" in arrays and "key" in arrays
    if "adjacency" not in arrays and not has_scores:
        missing.append("adjacency (or query and key)")
    if missing:
        raise InputError(
            f"the block lacks {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}; "
            f"{_ELSEWHERE}"
        )
    surplus = [name for name in _SCORES if name in arrays]
    for needless, needed in (("ffn_gate_bias", "ffn_gate"), ("rotary_layout", "rotary")):
        if needless in arrays and needed not in arrays:
            raise InputError(f"{needless} is of no use without {needed}: give both or none")
    if "adjacency" in arrays and surplus:
        raise InputError(
            f"adjacency already is what {', '.join(surplus)} would give: leave one of them out"
        )


def _number(name: str, array: Any) -> Array:
    """Return the array as float64 after checking dtype, number of axes, and values."""
    scalar = not _AXES[name]
    if array.dtype not in (np.float32, np.float64) and not (scalar and array.dtype.kind in "iu"):
        raise InputError(
            f"{name} must have dtype float32 or float64, but has {array.dtype}; convert it first"
        )
    if scalar and array.size != 1:
        raise InputError(f"{name} must be one number, but has shape {array.shape}")
    if array.ndim != len(_AXES[name]) and not scalar:
        wanted = ", ".join(_AXES[name])
        raise InputError(f"{name} must have shape ({wanted}), but has {array.shape}")
    require_finite(name, array)
    positive = name.startswith("tau") or name in ("window", "soft_cap")
    if scalar and (array < 0 if name == "ln_eps" else positive and array <= 0):
        wanted = "not be negative" if name == "ln_eps" else "be positive"
        raise InputError(f"{name} must {wanted}, but is {float(array.item())}")
    return array.astype(np.float64).reshape(()) if scalar else array.astype(np.float64)


def _one_of(name: str, arrays: dict[str, Any], options: tuple[str, ...]) -> str:
    """Return the text of this name, the first option by default."""
    text = _text(name, arrays, options[0])
    if text not in options:
        raise InputError(f"{name} must be one of {', '.join(options)}, but is {text!r}")
    return text


def _text(name: str, arrays: dict[str, Any], default: str) -> str:
    value = arrays.get(name)
    if value is None:
        return default
    if value.dtype.kind not in "US" or value.size != 1:
        raise InputError(f"{name} must be one string, but has dtype {value.dtype}")
    text = value.item()
    return text if isinstance(text, str) else text.decode("utf-8", errors="backslashreplace")
