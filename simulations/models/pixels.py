"""What is done to an image before a model sees it, by its preprocessor_config.json?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from simulations.models.architecture import ImageShape
from simulations.models.checkpoint import Pixels
from simulations.models.messages import quote
from simulations.models.present import is_there
from simulations.models.settings import read_json
from theory.arrays import InputError

FILE: Final = "preprocessor_config.json"
_FILTERS = range(6)  # Pillow's


def read_pixels(folder: Path, image: ImageShape) -> Pixels | None:
    """Return what a folder says is done to images; None if it has no such file.

    Raises: InputError if a setting is damaged or asks for what is not supported
    """
    if not is_there(folder / FILE):
        return None
    said = read_json(folder / FILE)
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if said.get(key) not in (True, None):
            raise InputError(f"{FILE}: {key} must be true, but is {quote(said[key])}")
    factor = said.get("rescale_factor", 1 / 255)
    if not isinstance(factor, float) or abs(255 * factor - 1) > 1e-6:
        raise InputError(f"{FILE}: rescale_factor must be 1/255, but is {quote(factor)}")
    resample = said.get("resample", 2)
    if isinstance(resample, bool) or resample not in _FILTERS:
        raise InputError(f"{FILE}: resample must be from 0 to 5, but is {quote(resample)}")
    size = said.get("size", image.size)
    crop = said.get("crop_size") if said.get("do_center_crop") else size
    shorter = size.get("shortest_edge") if isinstance(size, Mapping) else None
    if said.get("do_center_crop") and isinstance(size, int):
        shorter = size  # so the oldest files say it
    whole = isinstance(shorter, int) and not isinstance(shorter, bool)
    if shorter is not None and not (whole and _side(crop) <= shorter <= 10_000):
        raise InputError(
            f"{FILE}: size must be from crop_size, {_side(crop)}, to 10000, but is {quote(size)}"
        )
    if (side := _side(crop)) != image.size:
        raise InputError(
            f"{FILE} cuts images to {side} points a side, but the model has positions for "
            f"{image.size}, as its config.json says"
        )
    colours = image.channels
    return Pixels(
        shorter=shorter,
        mean=_colours(said, "image_mean", 0.5, colours),
        std=_colours(said, "image_std", 0.5, colours),
        resample=resample,
    )


def crop_of(folder: Path) -> int | None:
    """Return how large the square is that a folder cuts images to, None if it does not say."""
    if not is_there(folder / FILE):
        return None
    said = read_json(folder / FILE)
    found = said.get("crop_size") if said.get("do_center_crop") else said.get("size")
    return None if found is None else _side(found)


def _side(size: object) -> int:
    """Return the side of a square that is given as a number or as two."""
    if isinstance(size, Mapping):
        pair = (size.get("height"), size.get("width"))
        size = pair[0] if pair[0] == pair[1] else pair
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 10_000:
        raise InputError(f"{FILE}: images must become squares, but become {quote(size)}")
    return size


def _colours(said: Mapping[str, Any], key: str, default: float, colours: int) -> tuple[float, ...]:
    values = said.get(key, [default] * colours)
    fine = isinstance(values, list) and len(values) == colours
    if not fine or not all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6
        for value in values
    ):
        raise InputError(f"{FILE}: {key} must be {colours} numbers, but is {quote(values)}")
    if key == "image_std" and min(values) <= 0:
        raise InputError(f"{FILE}: {key} must be positive, but is {quote(values)}")
    return tuple(map(float, values))
