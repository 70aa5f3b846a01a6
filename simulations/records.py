"""How is a cell of a sweep kept, so that no crash loses it and no flipped bit goes unseen?

One file a cell. It is written to a temporary file, flushed to the disk, and linked to its name,
which either happens whole or not at all and never replaces what is there. Every file starts with
a checksum of the rest of it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from theory.arrays import InputError

VERSION = 1
_MAGIC = b"oversmooth store"

Arrays = Mapping[str, np.ndarray[Any, Any]]


class CorruptError(Exception):
    """A stored file is not what was written."""


class DiskError(InputError):
    """The store's folder does not take any more: it is full, read-only, or gone."""


@dataclass(frozen=True)
class Store:
    """A folder that holds a sweep: ``sweep``, ``cells/``, ``failed/``, ``corrupt/``, ``lock``."""

    root: Path

    def cell_path(self, key: str) -> Path:
        """Return where a cell is kept: at most a few thousand files in one folder."""
        return self.root / "cells" / key[:2] / key

    def failure_path(self, key: str) -> Path:
        """Return where the traceback of a failed cell is kept."""
        return self.root / "failed" / key


def create_store(root: Path, manifest: Mapping[str, Any]) -> Store:
    """Make a store for a sweep, or open the one that is there for the same sweep.

    Raises: InputError if the folder holds something else, another sweep, or cannot be written
    """
    store = Store(root)
    path = root / "sweep"
    if not path.exists():
        try:
            root.mkdir(parents=True, exist_ok=True)
            strangers = [each.name for each in root.iterdir() if not _is_ours(each.name)]
        except OSError as error:
            raise _refused(root, error) from error
        if strangers:
            raise InputError(
                f"store must be a new or empty folder or one of a sweep, but {root} holds "
                f"{strangers[0]!r}"
            )
        commit_file(path, json.dumps(manifest, indent=1).encode())
    found = read_manifest(store)
    if found != manifest:
        changed = sorted(k for k in {*found, *manifest} if found.get(k) != manifest.get(k))
        raise InputError(
            f"store {root} belongs to a sweep that differs in {', '.join(changed)}; "
            "take another folder, so that nothing is mixed"
        )
    return store


def _is_ours(name: str) -> bool:
    return name in ("lock", "cells", "failed", "corrupt") or name.endswith(".part")


def open_store(root: Path) -> Store:
    """Open the store of a sweep.

    Raises: InputError if there is none, or a newer version wrote it
    """
    store = Store(root)
    read_manifest(store)
    return store


def read_manifest(store: Store) -> dict[str, Any]:
    """Return what the sweep was told to do."""
    path = store.root / "sweep"
    try:
        manifest: dict[str, Any] = json.loads(read_file(path))
    except FileNotFoundError:
        raise InputError(
            f"{store.root} must be the store of a sweep, but has no file sweep"
        ) from None
    except CorruptError as error:
        raise InputError(
            f"{error}; its cells are safe: put the sweep's file back by starting the sweep "
            "again after moving this one away"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return manifest


@contextlib.contextmanager
def only_driver(store: Store) -> Iterator[None]:
    """Hold the store for this process; the lock goes with the process, however it ends.

    Raises: InputError if another process holds it
    """
    path = store.root / "lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _refused(store.root, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise InputError(
                f"store {store.root} is in use by {holder}: two sweeps into one store would do "
                "the same cells twice"
            ) from None
        with contextlib.suppress(OSError):  # the name is a courtesy; a full disk refuses later
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {os.uname().nodename}".encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(store: Store) -> bool:
    """Whether some process holds the store as its driver."""
    try:
        handle = os.open(store.root / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def commit_cell(store: Store, key: str, arrays: Arrays, header: Mapping[str, Any]) -> bool:
    """Keep a cell; return whether it was new. A cell that is there already stays as it is.

    Raises: DiskError if it cannot be written
    """
    payload = safetensors.numpy.save(
        {name: np.ascontiguousarray(values) for name, values in arrays.items()},
        metadata={"header": json.dumps(header)},
    )
    return commit_file(store.cell_path(key), payload)


def read_cell(store: Store, key: str) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Return a cell's arrays and its header.

    Raises: FileNotFoundError if it was never kept, CorruptError if it is not what was written
    """
    payload = read_file(store.cell_path(key))
    try:
        arrays = safetensors.numpy.load(payload)
        length = int.from_bytes(payload[:8], "little")
        header = json.loads(json.loads(payload[8 : 8 + length])["__metadata__"]["header"])
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise CorruptError(f"{store.cell_path(key)} holds no cell: {error}") from error
    return arrays, header


def commit_file(path: Path, payload: bytes) -> bool:
    """Write a file with its checksum, whole or not at all; return whether it was new.

    Raises: DiskError if it cannot be written
    """
    part = path.parent / f".{path.name[:16]}.{uuid.uuid4().hex}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(_first_line(payload) + payload)
                file.flush()
                os.fsync(file.fileno())
            os.link(part, path)
        except FileExistsError:
            return False
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refused(path.parent, error) from error
    return True


def read_file(path: Path) -> bytes:
    """Return what `commit_file` was given.

    Raises: CorruptError if a bit of it has changed; InputError if a newer version wrote it
    """
    content = path.read_bytes()
    first, _, payload = content.partition(b"\n")
    if first + b"\n" == _first_line(payload):
        return payload
    words = first.split()
    if (
        len(words) == 4
        and first.startswith(_MAGIC)
        and words[2].isdigit()
        and (int(words[2]) > VERSION and words[3] == hashlib.sha256(payload).hexdigest().encode())
    ):
        raise InputError(
            f"{path} was written by a newer version (store format {int(words[2])}, here "
            f"{VERSION}): update oversmooth to read it"
        )
    raise CorruptError(f"{path} is damaged: its checksum does not fit its content")


def set_aside(store: Store, path: Path) -> Path:
    """Move a damaged file out of the way, to be looked at; nothing is thrown away."""
    target = store.root / "corrupt" / f"{path.name}.{uuid.uuid4().hex[:8]}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    except OSError as error:
        raise _refused(target.parent, error) from error
    return target


def stored_keys(store: Store, folder: str = "cells") -> set[str]:
    """Return the keys of all cells (or ``folder="failed"``) that have a file, sound or not."""
    found = (store.root / folder).glob("*/*" if folder == "cells" else "*")
    return {path.name for path in found if not path.name.endswith(".part")}


def sweep_parts(store: Store) -> int:
    """Remove what a killed writer left half written; return how many files that were.

    Only for the driver that holds the store. A writer of a driver that was killed may still be at
    it, so a file younger than a minute stays.
    """
    newest = max((p.stat().st_mtime for p in (store.root / "lock",) if p.exists()), default=0.0)
    stale = [p for p in store.root.rglob("*.part") if p.stat().st_mtime < newest - 60]
    for part in stale:
        part.unlink(missing_ok=True)
    return len(stale)


def _first_line(payload: bytes) -> bytes:
    return b"%s %d %s\n" % (_MAGIC, VERSION, hashlib.sha256(payload).hexdigest().encode())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(folder: Path, error: OSError) -> DiskError:
    return DiskError(f"store {folder} cannot be written: {error.strerror or error}")
