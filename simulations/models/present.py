"""Is a checkpoint's file there, and is it the file itself?"""

from pathlib import Path
from typing import Final

from simulations.models.messages import quote
from theory.arrays import InputError

_POINTER: Final = b"version https://git-lfs.github.com/spec/"


def is_there(path: Path) -> bool:
    """Whether there is a file, at the end of a link or not.

    Raises: InputError if a link leads to nothing, or what is there is no file, or only the
            pointer that git keeps in a large file's place
    """
    try:
        is_file, is_link, exists = path.is_file(), path.is_symlink(), path.exists()
    except OSError as error:
        raise InputError(f"{quote(path.name)} cannot be read: {error.strerror}") from error
    if is_file:
        require_itself(path)
    elif exists:
        raise InputError(f"{quote(path.name)} must be a file, but is a folder or a device")
    elif is_link:
        raise InputError(
            f"{quote(path.name)} is a link to nothing: {quote(str(path.readlink()))} is gone; "
            "download the checkpoint again"
        )
    return is_file


def require_itself(path: Path) -> None:
    """Raise InputError if a file is a git-lfs pointer, which names the file that is wanted."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_POINTER))
    except OSError as error:
        raise InputError(f"{quote(path.name)} cannot be read: {error.strerror}") from error
    if start == _POINTER:
        raise InputError(
            f"{quote(path.name)} is a git-lfs pointer in the place of the file; run: git lfs pull"
        )
