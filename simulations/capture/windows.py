"""Where in the sequence do tokens stand that were moved into windows?"""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulations.capture.compare import Ruler
from simulations.capture.watch import Call
from theory.arrays import Floats, InputError

Places: TypeAlias = NDArray[np.int64]


def unfold(call: Call, norm: str, value: str, ruler: Ruler) -> Call:
    """Return a call as if its windows were one block-diagonal attention on all tokens.

    A token is known by its features: those that the value projection got are those that the norm
    before it gave, moved.

    Raises: InputError if they are not: the windows hold padding, or two tokens are equal
    """
    places = call.seen[norm][1]  # (b, n, d)
    batch, n, d = places.shape
    windows = call.seen[value][0]
    size = windows.shape[-2]
    moved = windows.reshape(batch, -1, d)
    order = np.empty((batch, n), dtype=np.int64)
    if moved.shape[1] != n:
        raise InputError(
            f"{ruler.where}: {n} tokens fill windows of {size} with padding, to which the others "
            "listen: choose an image whose patches fill the windows"
        )
    for image in range(batch):
        there = {row.tobytes(): i for i, row in enumerate(places[image])}
        found = [there.get(row.tobytes(), -1) for row in moved[image]]
        order[image] = found
        if sorted(found) != list(range(n)):
            raise InputError(
                f"{ruler.where}: the tokens in the windows are not those that {norm} gave, each "
                "once: are two of them equal, or do the windows hold padding?"
            )
    back: Places = np.argsort(order, axis=1)
    seen = dict(call.seen)
    for name, pair in call.seen.items():
        inside = pair[0].shape[-2] == size and pair[0].shape != places.shape
        if inside or (pair[0].shape[0] == windows.shape[0] and windows.shape[0] != batch):
            given, gave = (_put_back(each.reshape(batch, n, -1), back) for each in pair)
            seen[name] = (given, gave)
    weights = [_put_square(each, order, size) for each in call.weights]
    return replace(call, seen=seen, weights=weights)


def _put_back(moved: Floats, back: Places) -> Floats:
    return np.take_along_axis(moved, back[..., None], axis=1)


def _put_square(weights: Floats, order: Places, size: int) -> Floats:
    """Return (b, h, n, n) of windows (b w, h, size, size)."""
    batch, n = order.shape
    heads = weights.shape[1]
    whole = np.zeros((batch, heads, n, n))
    each = weights.reshape(batch, n // size, heads, size, size)
    for image in range(batch):
        for window, place in enumerate(order[image].reshape(-1, size)):
            whole[image][:, place[:, None], place] = each[image, window]
    return whole
