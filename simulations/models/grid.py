"""How are positions on a grid of patches stretched to another grid?"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.models.architecture import Architecture
from simulations.models.checkpoint import Patches

_CUBIC = -0.75
"""The constant of the cubic kernel that torch uses."""


def stretched(model: Architecture, patches: Patches, size: int) -> tuple[Architecture, Patches]:
    """Return a model for images of another size: its positions are interpolated by cubics.

    Source: keys1981cubic
    """
    assert model.image is not None  # otherwise nobody asks
    if size == model.image.size:
        return model, patches
    image = replace(model.image, size=size)
    own, grid = patches.position[: image.marks], patches.position[image.marks :]
    weights = _weights(model.image.side, image.side)
    square = grid.astype(np.float64).reshape(model.image.side, model.image.side, -1)
    found = np.einsum("ai,bj,ijd->abd", weights, weights, square).reshape(image.side**2, -1)
    position = np.concatenate([own, found.astype(grid.dtype)])
    return (
        replace(model, image=image, positions=len(position)),
        replace(patches, position=position),
    )


def _weights(old: int, new: int) -> NDArray[Any]:
    """Return what each of the new places takes from the old ones: (new, old)."""
    places = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(places).astype(np.int64)
    weights = np.zeros((new, old))
    for tap in range(-1, 3):
        far = np.abs(places - (first + tap))
        near = (_CUBIC + 2) * far**3 - (_CUBIC + 3) * far**2 + 1
        beyond = _CUBIC * (far**3 - 5 * far**2 + 8 * far - 4)
        index = np.clip(first + tap, 0, old - 1)  # what lies outside repeats the edge
        np.add.at(weights, (np.arange(new), index), np.where(far <= 1, near, beyond))
    return weights
