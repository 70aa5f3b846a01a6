"""How is a file of each format read, so that a broken or endless one is a line and no crash?

One reader a format, for everything that a user may hand over: text, JSON, TOML, .npy and .npz. What
a file says of its own size is looked at before memory is taken, and so are the names in it. A mark
of the byte order before a text, which some editors write, is no part of it.

What the system says (no such file, no permission) comes through as it is, an OSError.
"""

import io
import json
import math
import os
import stat
import struct
import tomllib
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from theory.arrays import InputError

LONGEST_TEXT: Final = 2**28
"""How many bytes a file of text may have, unless its reader says otherwise."""
LARGEST_ARRAYS: Final = 2**32
"""How many bytes the arrays of a file may take."""

_ARRAY_MAGIC = b"\x93NUMPY"
# What NumPy and zipfile raise where bytes were lost or changed: RuntimeError for what looks
# encrypted or compressed in an unknown way, MemoryError for a length that cannot be meant,
# SyntaxError and TokenError for an array's header that is no Python literal.
_BROKEN = (
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    IndexError,
    OverflowError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    TokenError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)


class FormatError(InputError):
    """A file is not of the format that it should be."""


def is_array_name(name: str | Path) -> bool:
    """Whether a file's name says that it holds one array: .npy, in letters of either case."""
    return str(name).lower().endswith(".npy")


def read_bytes(path: Path, *, name: str, most: int = LONGEST_TEXT) -> bytes:
    """Return what a file holds; ``name`` is what an error calls it.

    A device or a pipe has no size: it is read up to the limit.

    Raises: InputError if it has more than ``most`` bytes; OSError if it cannot be read
    """
    with path.open("rb") as file:
        _require_size(os.fstat(file.fileno()).st_size, most, name)
        content = file.read(most + 1)
    _require_size(len(content), most, name)
    return content


def read_text(path: Path, *, name: str, most: int = LONGEST_TEXT) -> str:
    """Return the text of a UTF-8 file, line ends as they are in Python.

    Raises: InputError if it has more than ``most`` bytes; UnicodeDecodeError; OSError
    """
    content = read_bytes(path, name=name, most=most).decode("utf-8-sig")
    return content.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, *, name: str, most: int = LONGEST_TEXT, **options: Any) -> Any:
    """Return what a JSON file holds; ``options`` are those of `json.loads`.

    Raises: FormatError if it is no UTF-8, no JSON, or nested too deeply; InputError, OSError
    """
    try:
        return json.loads(read_text(path, name=name, most=most), **options)
    except RecursionError as error:
        raise FormatError("it is nested too deeply") from error
    except InputError:
        raise
    except ValueError as error:  # neither UTF-8 nor JSON
        raise FormatError(str(error)) from error


def read_toml(path: Path, *, name: str, most: int = LONGEST_TEXT) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML file, and what it holds.

    Raises: FormatError if it is no UTF-8, no TOML, or nested too deeply; InputError, OSError
    """
    try:
        text = read_text(path, name=name, most=most)
        return text, tomllib.loads(text)
    except RecursionError as error:
        raise FormatError("it is nested too deeply") from error
    except InputError:
        raise
    except ValueError as error:
        raise FormatError(str(error)) from error


def read_array(
    path: Path,
    *,
    name: str,
    most: int = LARGEST_ARRAYS,
    require: Callable[[tuple[int, ...], np.dtype[Any]], None] | None = None,
) -> NDArray[Any]:
    """Return the array of a .npy file, in the byte order of this machine.

    ``require`` is asked about shape and dtype before the numbers are read.

    Raises: FormatError if it is no such file, a broken one, or holds objects; InputError if it
            would take more than ``most`` bytes, or as ``require`` does; OSError
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        return _array(file, size, name, most, require)


def read_arrays(
    path: Path,
    *,
    name: str,
    most: int = LARGEST_ARRAYS,
    require: Callable[[Iterable[str]], None] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file by their names, in the byte order of this machine.

    ``require`` is asked about the names before anything is read.

    Raises: FormatError if it is no such file, or a broken one; InputError if its arrays would
            take more than ``most`` bytes, or as ``require`` does; OSError
    """
    with path.open("rb") as opened:
        regular = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
        file: IO[bytes] = opened if regular else io.BytesIO(_some(opened, most, name))
        if opened.seekable() and opened.read(len(_ARRAY_MAGIC)) == _ARRAY_MAGIC:
            raise FormatError("it holds one bare array, and named ones are wanted")
        try:
            archive = zipfile.ZipFile(file)
        except (OSError, *_BROKEN) as error:
            raise FormatError(f"it is no .npz file ({_told(error)})") from error
        with archive:
            return _members(archive, name, most, require)


def _members(
    archive: zipfile.ZipFile,
    name: str,
    most: int,
    require: Callable[[Iterable[str]], None] | None,
) -> dict[str, NDArray[Any]]:
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise FormatError("it has two arrays of one name")
    if require is not None:
        require(list(members))
    whole = sum(member.file_size for member in members.values())
    _require_size(whole, most, f"the arrays of {name}")
    arrays = {}
    for key, member in members.items():
        try:
            with archive.open(member) as file:
                arrays[key] = _array(file, member.file_size, key, most, None)
                while file.read(1 << 20):  # to the end, where zipfile compares its checksum
                    pass
        except InputError:
            raise
        except (OSError, *_BROKEN) as error:
            raise FormatError(f"is it truncated? {key}: {_told(error)}") from error
    return arrays


def _array(
    file: IO[bytes],
    size: int | None,
    name: str,
    most: int,
    require: Callable[[tuple[int, ...], np.dtype[Any]], None] | None,
) -> NDArray[Any]:
    """Read one array from a file that has ``size`` bytes left, if that is known."""
    start = file.read(len(_ARRAY_MAGIC))
    if start != _ARRAY_MAGIC:
        raise FormatError(f"{name} must be an array, but holds other bytes")
    try:
        shape, fortran, dtype = _header(file)
    except _BROKEN as error:
        raise FormatError(f"{name} must be an array, but its header is broken") from error
    if dtype.hasobject:
        raise FormatError(f"{name} must be a plain array, but holds Python objects")
    if require is not None:
        require(shape, dtype)
    wanted = math.prod(shape) * dtype.itemsize
    _require_size(wanted, most, name)
    if size is not None and wanted > size:
        raise FormatError(
            f"{name} must be an array, but its header speaks of {wanted:,} bytes and {size:,} are "
            "there: is it truncated?"
        )
    content = file.read(wanted)
    if len(content) < wanted:
        raise FormatError(f"{name} must be an array, but is truncated")
    try:
        order: Literal["F", "C"] = "F" if fortran else "C"
        array = np.ndarray(shape, dtype, content or None, order=order)
    except _BROKEN as error:
        raise FormatError(f"{name} must be an array, but its header is broken") from error
    return array.astype(dtype.newbyteorder("="))  # and may be written into


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = tuple(file.read(2))
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers by Python 2, and of odd literals
        shape, fortran, dtype = readers[version](file)
    if any(length < 0 for length in shape):
        raise ValueError("a length is negative")
    return shape, fortran, dtype


def _some(file: IO[bytes], most: int, name: str) -> bytes:
    content = file.read(most + 1)
    _require_size(len(content), most, name)
    return content


def _require_size(size: int, most: int, name: str) -> None:
    if size > most:
        have = f"has {size:,}" if size > most + 1 else "has more"
        raise InputError(f"{name} must have at most {most:,} bytes, but {have}")


def _told(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
