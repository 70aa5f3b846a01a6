"""How is a file written, so that no crash leaves half of it and no flipped bit goes unseen?

It is written under a temporary name, flushed to the disk, and only then given its own, which either
happens whole or not at all: by a link, which never replaces what is there, or by a rename, which
does. A cell of a store starts with a checksum of its name and of the rest of it besides.
"""

import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from theory.arrays import InputError

VERSION = 1
_MAGIC = b"oversmooth store"
_NO_HARD_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class CorruptError(Exception):
    """A stored file is not what was written."""


class DiskError(InputError):
    """The store's folder does not take any more: it is full, read-only, or gone."""


def commit_file(path: Path | str, payload: bytes) -> bool:
    """Write a file with its checksum, whole or not at all; return whether it was new.

    Raises: DiskError if it cannot be written
    """
    path = Path(path)
    return commit_raw(path, _first_line(path.name, payload) + payload)


def commit_raw(path: Path, content: bytes) -> bool:
    """Write a file as it is, whole or not at all; return whether it was new.

    Raises: DiskError if it cannot be written
    """
    try:
        return write_new(path, content)
    except OSError as error:
        raise refused(path.parent, error) from error


def write_new(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet, and its folder; return whether it was new.

    Raises: OSError if it cannot be written
    """
    make_folder(path.parent)
    part = path.parent / f".{path.name[:16]}.{uuid.uuid4().hex}.part"
    try:
        _write(part, content)
        give_name(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def write_over(path: Path, *pieces: bytes | memoryview, alone: bool = False) -> None:
    """Write a file in the place of what is there: whoever is interrupted keeps the old one.

    Who is ``alone``, because of a lock say, writes over the part that a kill left behind; others
    take a new name for it each time, so that two of them never write into one.

    Raises: OSError if it cannot be written, or there is no such folder
    """
    with opened_over(path, alone=alone) as file:
        for piece in pieces:
            file.write(piece)


@contextlib.contextmanager
def opened_over(path: Path, *, alone: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that gets its name at the end, if nothing is raised before: see `write_over`.

    Where the path is a link, the file that it points to is written over, not the link.

    Raises: OSError if it cannot be written, is no file but a pipe, say, or there is no such folder
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():  # a folder is refused below
        raise OSError(errno.EINVAL, "it is there, and no file", str(path))
    name = path.name if alone else f"{path.name[:16]}.{uuid.uuid4().hex}"
    part = path.parent / f".{name}.part"
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()  # half of it would keep a full disk full
    _sync_folder(path.parent)


def _write(part: Path, content: bytes) -> None:
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def give_name(part: Path, path: Path) -> None:
    """Give a finished file its name, unless something has it.

    Raises: FileExistsError if something has; OSError if it cannot be
    """
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if path.exists():
            told = os.strerror(errno.EEXIST)
            raise FileExistsError(errno.EEXIST, told, str(path)) from error
        part.rename(path)  # two writers in between hold the same content: either will do


def make_folder(folder: Path) -> None:
    """Make a folder that is still there after a power cut, by flushing the one that it is in."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def read_file(path: Path | str) -> bytes:
    """Return what `commit_file` was given.

    Raises: FileNotFoundError if it is not there; CorruptError if a bit of it has changed, it was
            written under another name, or the disk cannot give it back; InputError if a newer
            version wrote it or it may not be read
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(path)) from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise CorruptError(f"{path} cannot be read: {error.strerror}") from error
    first, _, payload = content.partition(b"\n")
    if first + b"\n" == _first_line(path.name, payload):
        return payload
    words = first.split()
    if (
        len(words) == 4
        and first.startswith(_MAGIC)
        and words[2].isdigit()
        and (
            int(words[2]) > VERSION
            and words[3] == _checksum(path.name, payload, version=int(words[2]))
        )
    ):
        raise InputError(
            f"{path} was written by a newer version (store format {int(words[2])}, here "
            f"{VERSION}): update oversmooth to read it"
        )
    raise CorruptError(f"{path} is damaged: its checksum does not fit its name and content")


def remove_file(path: Path) -> None:
    """Remove a file that is not wanted any more.

    Raises: DiskError if that cannot be
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise refused(path.parent, error) from error


def listed(folder: Path | str) -> Iterator["os.DirEntry[str]"]:
    """Yield what a folder holds, nothing if there is none: many times quicker than glob."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error


def _checksum(name: str, payload: bytes, *, version: int) -> bytes:
    """Cover the version too: a flipped bit of it must not look like a newer one."""
    return hashlib.sha256(b"%d %s\n%s" % (version, name.encode(), payload)).hexdigest().encode()


def _first_line(name: str, payload: bytes) -> bytes:
    """Return what a file starts with; its name is in it, so that no cell passes for another."""
    return b"%s %d %s\n" % (_MAGIC, VERSION, _checksum(name, payload, version=VERSION))


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one that may be passed through and not listed
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems flush no folders
            raise
    finally:
        os.close(handle)


def refused(folder: Path, error: OSError) -> DiskError:
    """Return the error that says what the system said."""
    return DiskError(f"store {folder} cannot be written: {error.strerror or error}")
