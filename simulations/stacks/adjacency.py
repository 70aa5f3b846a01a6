"""Which graph does a file hold, as a mask or as attention weights?"""

from pathlib import Path
from tokenize import TokenError

import numpy as np

from simulations.numbers import Numbers
from theory.arrays import Array, InputError, require_mask, to_numpy
from theory.graphs.conversions import random_walk, require_square, require_weights


def read_mask(path: Path, n: int) -> Array:
    """Return the boolean (n, n) mask of a .npy file.

    Raises: InputError if it cannot be read, or holds no mask for n tokens
    """
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


def read_adjacency(path: Path) -> Numbers:
    """Return the graph in a .npy or text file: a boolean mask, or weights as shares of one.

    Weights that are all 0 or 1 are a mask, on which attention runs in full; others stand in
    the place of attention's weights, every row divided by its sum. A text file has a row a line,
    with spaces or commas.

    Raises: InputError if the file cannot be read, or holds no square matrix of such numbers, or
            a token listens to nobody
    """
    try:
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            text = path.read_text(encoding="utf-8").replace(",", " ")
            lines = [line for line in text.splitlines() if line.strip()]
            found = np.loadtxt(lines, ndmin=2) if lines else np.empty(0)
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"adjacency {str(path)!r} cannot be read: {reason}") from None
    weights = np.asarray(found)
    if weights.dtype.kind not in "biuf" or weights.ndim != 2 or not weights.size:
        raise InputError(
            f"adjacency {str(path)!r} must hold a matrix of numbers, but holds shape "
            f"{weights.shape} and dtype {weights.dtype}"
        )
    weights = weights.astype(np.float64)
    require_square("adjacency", weights)
    require_weights("adjacency", weights)
    if np.isin(weights, (0.0, 1.0)).all():
        mask: Numbers = weights == 1
        random_walk(mask)  # refuses a token that listens to nobody
        return mask
    return to_numpy(random_walk(weights))
