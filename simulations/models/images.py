"""Which tokens are an image, for a given model?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.models.architecture import ImageShape
from simulations.models.checkpoint import Checkpoint, Pixels
from simulations.models.messages import quote, reason
from simulations.models.tokens import Encoded
from theory.arrays import InputError, require_finite

_LARGEST = 1 << 28
"""Points of an image: more would not be a picture, but an attack on the memory."""


def encode_images(checkpoint: Checkpoint, images: Sequence[str | Path | NDArray[Any]]) -> Encoded:
    """Return images as a model's tokens: its marks and registers, then the patches row by row.

    A file is a picture that Pillow can open, resized, cut and scaled as the model's own files say,
    or an .npy file. An array, and what an .npy file holds, is taken as it stands: (c, side, side),
    with the model's own side, its values as the model wants them.

    Raises: InputError if the model reads no images, there is none, or one cannot be read or has
            another shape
    """
    shape = checkpoint.architecture.image
    if shape is None:
        raise InputError(f"{quote(checkpoint.name)} reads texts, not images")
    if len(images) == 0:
        raise InputError("images must hold at least one image, but are empty")
    pixels = np.stack([_pixels(checkpoint, each, number) for number, each in enumerate(images)])
    b, n, first = len(pixels), shape.tokens, shape.marks + shape.registers
    special = np.zeros((b, n), dtype=bool)
    special[:, :first] = True
    places = [f"{row},{column}" for row in range(shape.side) for column in range(shape.side)]
    marks = ["[CLS]", "[DIST]"][: shape.marks] + ["[REG]"] * shape.registers
    return Encoded(
        ids=np.broadcast_to(np.arange(n), (b, n)),
        token_mask=np.ones((b, n), dtype=bool),
        special_mask=special,
        truncated=np.zeros(b, dtype=bool),
        pieces=(tuple(marks + places),) * b,
        prefix="",
        pixels=pixels,
    )


def _pixels(checkpoint: Checkpoint, image: object, number: int) -> NDArray[Any]:
    shape = checkpoint.architecture.image
    assert shape is not None  # as `encode_images` has required
    if not isinstance(image, str | Path):
        return _as_given(f"images[{number}]", image, shape)
    path = Path(image)
    name = f"image {quote(path.name)}"
    if path.suffix == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{name} cannot be read: {reason(error)}") from error
        return _as_given(name, array, shape)
    if checkpoint.pixels is None:
        raise InputError(
            f"{quote(checkpoint.name)} has no preprocessor_config.json, which says how pictures "
            "are scaled for it: add it, or give .npy files that are scaled"
        )
    return picture(path, checkpoint.pixels, shape)


def _as_given(name: str, array: object, shape: ImageShape) -> NDArray[Any]:
    wanted = (shape.channels, shape.size, shape.size)
    found = np.asarray(array)
    if found.dtype.kind != "f":
        raise InputError(
            f"{name} must be scaled as the model wants it, of floating dtype, but has {found.dtype}"
        )
    if found.shape != wanted:
        raise InputError(f"{name} must have shape {wanted}, but has {found.shape}")
    require_finite(name, found)
    return found.astype(np.float64)


def picture(path: Path, pixels: Pixels, shape: ImageShape) -> NDArray[np.float64]:
    """Return a picture's file as a model wants it: (c, side, side).

    Raises: InputError if Pillow cannot read it, or it is endlessly large
    """
    from PIL import Image, UnidentifiedImageError

    name = f"image {quote(path.name)}"
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _LARGEST:
                raise InputError(f"{name} must have fewer than {_LARGEST} points, but has more")
            whole = opened.convert({1: "L", 3: "RGB", 4: "RGBA"}.get(shape.channels, "RGB"))
    except UnidentifiedImageError as error:
        raise InputError(f"{name} must be a picture, but Pillow knows no such kind") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        said = getattr(error, "strerror", None) or reason(error)
        raise InputError(f"{name} cannot be read: {said}") from error
    side = shape.size
    width, height = _resized(whole.width, whole.height, pixels, side)
    if max(width, height) > 100 * side:
        raise InputError(f"{name} must not be 100 times longer than wide, but is {whole.size}")
    whole = whole.resize((width, height), Image.Resampling(pixels.resample))
    left, top = (width - side) // 2, (height - side) // 2
    values = np.asarray(whole.crop((left, top, left + side, top + side)), dtype=np.float64) / 255
    values = (values.reshape(side, side, -1) - pixels.mean) / pixels.std
    return np.ascontiguousarray(np.moveaxis(values, -1, 0))


def _resized(width: int, height: int, pixels: Pixels, side: int) -> tuple[int, int]:
    """Return the size before the middle is cut out; the longer side is rounded down."""
    if pixels.shorter is None:
        return side, side
    least = min(width, height)
    return int(pixels.shorter * width / least), int(pixels.shorter * height / least)
