"""What do the instruments read on a random stack?"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tokenize import TokenError

import numpy as np

from simulations.backends import Backend, backend
from simulations.ensembles import Stack, draw_blocks, draw_tokens
from simulations.trace import Trace, trace_centred
from theory.arrays import Array, InputError, require_mask
from theory.layers import Block
from theory.masks import block_mask, causal_mask, full_mask, window_mask

MASKS = "full, causal, window:R, causal-window:R, blocks:N1,N2,... or a .npy file"


def simulate(
    stack: Stack,
    *,
    seeds: int = 1,
    seed: int = 0,
    mask: Array | None = None,
    on: Backend | None = None,
) -> Trace:
    """Draw a stack and its tokens once for every seed and measure them at every layer.

    The runs are seeds ``seed``, ``seed + 1``, ...; each one's numbers do not depend on how many
    there are. Deviations from consensus are carried in centred coordinates, so that the
    distance is right far below round-off.

    Shapes: mask boolean (n, n), True where a token may listen; the trace's batch is (seeds,)
    Dtype:  that of the backend ``on``; None is NumPy with float64
    Raises: InputError for a seed or a number of seeds out of range, or tokens that leave the
            range of the dtype
    """
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, but is {seeds}")
    on = backend() if on is None else on
    if mask is not None:
        require_mask("mask", mask, stack.tokens, stack.tokens)
        mask = on.move(mask)
    runs = range(seed, seed + seeds)
    tokens = on.move(draw_tokens(stack, seeds=runs))
    return trace_centred(_moved(draw_blocks(stack, seeds=runs), on), tokens, mask=mask)


def _moved(blocks: Iterable[Block], on: Backend) -> Iterator[Block]:
    """Move blocks one by one; a block that comes again (tied) is the same again."""
    last: Block | None = None
    moved: Block | None = None
    for block in blocks:
        if moved is None or block is not last:
            last, moved = block, on.move(block)
        yield moved


def ln_std_mode(stack: Stack) -> str:
    """Name how the LayerNorm std comes about: "true", "fixed", "tau" or "driven".

    fixed: a constant in the place of the std; tau: the std times a constant; driven: the true
    std, moved by gains, residual scale or biases that are not the plain ones; true: the true
    std of a plain stack.
    """
    if stack.norm == "none":
        return "none"
    if stack.fixed_std is not None:
        return "fixed"
    if stack.tau != 1:
        return "tau"
    plain = Stack()
    drivers = ("value_gain", "ffn_gain", "norm_gain", "residual", "bias_std")
    driven = any(getattr(stack, name) != getattr(plain, name) for name in drivers)
    return "driven" if driven else "true"


def mask_by_name(name: str, n: int) -> Array:
    """Return the mask called ``name`` for n tokens, boolean (n, n).

    Names: full, causal, window:R (R tokens to either side), causal-window:R (R tokens back),
    blocks:N1,N2,... (sizes that add up to n), or the path of a .npy file.

    Raises: InputError for any other name, a wrong number, or a file that holds no such mask
    """
    kind, _, detail = name.partition(":")
    if name.endswith(".npy"):
        return _read_mask(Path(name), n)
    if name == "full":
        return full_mask(n)
    if name == "causal":
        return causal_mask(n)
    if kind in ("window", "causal-window"):
        return window_mask(n, _whole(name, detail), causal=kind == "causal-window")
    if kind == "blocks":
        sizes = [_whole(name, size) for size in detail.split(",")]
        if sum(sizes) != n:
            raise InputError(
                f"mask {name!r} must have blocks of {n} tokens in all, not {sum(sizes)}"
            )
        return block_mask(sizes)
    raise InputError(f"mask must be {MASKS}, but is {name!r}")


def _whole(name: str, text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"mask {name!r} must have a whole number where {text!r} stands")
    return int(text)


def _read_mask(path: Path, n: int) -> Array:
    try:
        with path.open("rb") as file:
            mask = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, TokenError) as error:
        raise InputError(
            f"mask file {path.name!r} cannot be read as a .npy array: {error}"
        ) from error
    if mask.shape != (n, n):
        raise InputError(
            f"mask file {path.name!r} must hold shape ({n}, {n}), but holds {mask.shape}"
        )
    require_mask(f"mask file {path.name!r}", mask, n, n)
    return mask
