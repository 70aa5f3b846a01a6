"""What stands in a GGUF file: settings by name, and tensors by name?

Little endian: "GGUF", version, number of tensors, number of settings, the settings, a directory of
the tensors, and from the next multiple of an alignment on the tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulations.models.cursor import Cursor
from simulations.models.gguf.unpack import PACKINGS, Packing
from simulations.models.messages import quote
from theory.arrays import InputError

MAGIC: Final = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "?",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
_STRING, _LIST = 8, 9
_MOST_AXES = 4


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor as it lies in the file: its shape, rows first, how it is packed, its bytes."""

    shape: tuple[int, ...]
    packing: Packing
    codes: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Container:
    """A file's settings and tensors by name; the file is mapped, not read."""

    file: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def read_container(path: Path) -> Container:
    """Read all settings and the directory of tensors.

    Raises: InputError if the file is truncated or corrupt, or packs a tensor in an unknown way
    """
    cursor = Cursor(np.asarray(np.memmap(path, dtype=np.uint8, mode="r")), quote(path.name))
    if cursor.take(len(MAGIC)).tobytes() != MAGIC:
        raise InputError(f"{cursor.file} must be a GGUF file, which begins with {MAGIC!r}")
    if (version := cursor.number("<u4")) not in _VERSIONS:
        raise InputError(
            f"{cursor.file} must be of GGUF version {' or '.join(map(str, _VERSIONS))}, little "
            f"endian, but is of version {version}"
        )
    tensors, settings = cursor.numbers("<u8", 2)
    said: dict[str, Any] = {}
    for _ in range(_count(cursor, settings)):
        name = _string(cursor)
        said[name] = _value(cursor, cursor.number("<u4"), name)
    directory = [_entry(cursor) for _ in range(_count(cursor, tensors))]
    alignment = said.get("general.alignment", 32)
    if isinstance(alignment, bool) or not isinstance(alignment, int) or not 1 <= alignment < 2**20:
        raise InputError(f"{cursor.file} is corrupt: its alignment is {quote(alignment)}")
    start = -(-cursor.place // alignment) * alignment
    found: dict[str, Tensor] = {}
    for name, shape, packing, offset in directory:
        if name in found:
            raise InputError(f"{cursor.file} is corrupt: it has {quote(name)} twice")
        cursor.place = min(start + offset, len(cursor.data))
        found[name] = Tensor(shape, packing, cursor.take(packing.bytes_of(shape)))
    return Container(cursor.file, said, found)


def _entry(cursor: Cursor) -> tuple[str, tuple[int, ...], Packing, int]:
    name, axes = _string(cursor), cursor.number("<u4")
    if not 1 <= axes <= _MOST_AXES:
        raise InputError(f"{cursor.file} is corrupt: {quote(name)} has {axes} axes")
    shape = tuple(reversed(cursor.numbers("<u8", axes)))
    kind = cursor.number("<u4")
    if kind not in PACKINGS:
        known = ", ".join(packing.name for packing in PACKINGS.values())
        raise InputError(
            f"{cursor.file} packs {quote(name)} in the way number {kind}, but {known} are read: "
            "choose a file of one of these"
        )
    packing = PACKINGS[kind]
    if shape[-1] % packing.weights:
        raise InputError(
            f"{cursor.file} is corrupt: {quote(name)} has rows of {shape[-1]} weights, which "
            f"{packing.name} cannot pack"
        )
    return name, shape, packing, cursor.number("<u8")


def _count(cursor: Cursor, count: int) -> int:
    """Refuse a number of things that the rest of the file cannot hold: each takes a byte."""
    if count > len(cursor.data) - cursor.place:
        raise InputError(
            f"{cursor.file} is truncated or corrupt: it says that {count} things follow byte "
            f"{cursor.place}, but has {len(cursor.data)} bytes"
        )
    return count


def _string(cursor: Cursor) -> str:
    raw = cursor.take(cursor.number("<u8")).tobytes()
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{cursor.file} is corrupt: {quote(raw)} is not Unicode") from error


def _value(cursor: Cursor, kind: int, name: str) -> Any:
    if kind == _STRING:
        return _string(cursor)
    if kind in _NUMBERS:
        return cursor.number(_NUMBERS[kind])
    if kind != _LIST:
        raise InputError(f"{cursor.file} is corrupt: {quote(name)} is of kind {kind}")
    inner, count = cursor.number("<u4"), cursor.number("<u8")
    if inner == _STRING:
        return [_string(cursor) for _ in range(_count(cursor, count))]
    if inner in _NUMBERS:
        return cursor.numbers(_NUMBERS[inner], _count(cursor, count))
    raise InputError(f"{cursor.file} is corrupt: {quote(name)} is a list of kind {inner}")
