"""Which mask does a name or a file mean?"""

from pathlib import Path
from tokenize import TokenError

import numpy as np

from theory.arrays import Array, InputError, require_mask
from theory.graphs.masks import block_mask, causal_mask, full_mask, window_mask

MASKS = "full, causal, window:R, causal-window:R, blocks:N1,N2,... or a .npy file"


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
