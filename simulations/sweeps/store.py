"""How is a cell of a sweep kept, so that it is there once, whole, and told from a damaged one?

One file a cell, in a folder that one driver holds at a time. `simulations.machine.files` says how a
file is written. The readings of a model that trains are kept in the same way, one cell a reading.
"""

import contextlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import safetensors
import safetensors.numpy

from simulations.machine.files import (
    CorruptError,
    commit_file,
    listed,
    make_folder,
    read_file,
    refused,
)
from simulations.machine.locks import held, is_held
from theory.arrays import InputError

_STALE_SECONDS = 60.0
_FLUSHES_AT_ONCE = 16

Arrays = Mapping[str, np.ndarray[Any, Any]]
Kind: TypeAlias = Literal["sweep", "training"]


@dataclass(frozen=True)
class Store:
    """A folder of a sweep: ``sweep``, ``lock``, ``cells``, ``failed``, ``corrupt``, ``masks``.

    One of a training has ``training`` in the place of ``sweep``, and neither lock nor masks.
    """

    root: Path
    kind: Kind = "sweep"

    @property
    def manifest_path(self) -> Path:
        """Where it is kept what the store is of."""
        return self.root / self.kind

    def cell_path(self, key: str) -> Path:
        """Return where a cell is kept: 1/256 of them in one folder."""
        return self.root / "cells" / key[:2] / key

    def failure_path(self, key: str) -> Path:
        """Return where the traceback of a failed cell is kept."""
        return self.root / "failed" / key

    def mask_path(self, digest: str) -> Path:
        """Return where a mask is kept that was a file."""
        return self.root / "masks" / f"{digest}.npy"


def create_store(root: Path, manifest: Mapping[str, Any], *, kind: Kind = "sweep") -> Store:
    """Make a store for a sweep, or open the one that is there for the same sweep.

    Raises: InputError if the folder holds something else, another sweep, or cannot be written
    """
    store = Store(root, kind)
    path = store.manifest_path
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long, say
        raise refused(root, error) from error
    if not there:
        try:
            make_folder(root)
            strangers = [each.name for each in root.iterdir() if not _is_ours(each.name)]
        except OSError as error:
            raise refused(root, error) from error
        if strangers:
            raise InputError(
                f"store must be a new or empty folder or one of a {kind}, but {root} holds "
                f"{strangers[0]!r}"
            )
        commit_file(path, json.dumps(manifest, indent=1).encode())
    found = read_manifest(store)
    changed = sorted(k for k in {*found, *manifest} if found.get(k) != manifest.get(k))
    if changed and changed != ["name"]:  # no number depends on what a sweep is called
        raise InputError(
            f"store {root} belongs to a {kind} that differs in {', '.join(changed)}; "
            "take another folder, so that nothing is mixed"
        )
    return store


def _is_ours(name: str) -> bool:
    # Hidden files are the system's; a new disk has lost+found.
    known = ("lock", "cells", "failed", "corrupt", "masks", "lost+found")
    return name in known or name.startswith(".")


def open_store(root: Path | str, *, kind: Kind | None = None) -> Store:
    """Open the store of a sweep, or of a training, unless one of a certain kind is wanted.

    Raises: InputError if there is none, it is of another kind, or a newer version wrote it
    """
    found = [Store(Path(root), each) for each in get_args(Kind)]
    there = [each for each in found if os.path.isfile(each.manifest_path)]  # noqa: PTH113 - never raises
    store = there[0] if there else Store(Path(root), kind or "sweep")
    if there and kind not in (None, store.kind):
        raise InputError(f"{root} must be the store of a {kind}, but is one of a {store.kind}")
    read_manifest(store)
    return store


def read_manifest(store: Store) -> dict[str, Any]:
    """Return what the sweep was told to do."""
    path = store.manifest_path
    try:
        return read_note(path)
    except FileNotFoundError:
        raise InputError(
            f"{store.root} must be the store of a {store.kind}, but has no file {store.kind}"
        ) from None
    except CorruptError as error:
        raise InputError(
            f"{error}; its cells are safe: put the {store.kind}'s file back by starting the "
            f"{store.kind} again after moving this one away"
        ) from error


def read_note(path: Path) -> dict[str, Any]:
    """Return what a file of names and values says: a sweep, or why a cell failed.

    Raises: FileNotFoundError if there is none, CorruptError if it is not what was written
    """
    try:
        found = json.loads(read_file(path))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise CorruptError(f"{path} holds no JSON: {error}") from error
    if not isinstance(found, dict):
        raise CorruptError(f"{path} holds no names and values")
    return found


@contextlib.contextmanager
def only_driver(store: Store) -> Iterator[None]:
    """Hold the store for this process; the lock goes with the process, however it ends.

    Raises: InputError if another process holds it
    """
    why = "two sweeps into one store would do the same cells twice"
    with held(store.root / "lock", what=f"store {store.root}", why=why):
        yield


def has_driver(store: Store) -> bool:
    """Whether some process holds the store as its driver."""
    return is_held(store.root / "lock")


def commit_cell(store: Store, key: str, arrays: Arrays, header: Mapping[str, Any]) -> bool:
    """Keep a cell; return whether it was new. A cell that is there already stays as it is.

    Raises: DiskError if it cannot be written
    """
    payload = safetensors.numpy.save(
        {name: np.ascontiguousarray(values) for name, values in arrays.items()},
        metadata={"header": json.dumps(header)},
    )
    return commit_file(store.cell_path(key), payload)


def commit_cells(store: Store, cells: Iterable[tuple[str, Arrays, Mapping[str, Any]]]) -> int:
    """Keep several cells at a time, each as `commit_cell` does; return how many were new.

    A disk takes many flushes at once in little more than the time of one.

    Raises: DiskError if one cannot be written
    """
    with ThreadPoolExecutor(_FLUSHES_AT_ONCE) as pool:
        return sum(pool.map(lambda cell: commit_cell(store, *cell), cells))


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


def set_aside(store: Store, path: Path) -> Path:
    """Move a damaged file out of the way, to be looked at; nothing is thrown away."""
    target = store.root / "corrupt" / f"{path.name}.{uuid.uuid4().hex[:8]}"
    try:
        make_folder(target.parent)
        path.rename(target)
    except OSError as error:
        raise refused(target.parent, error) from error
    return target


def stored_keys(store: Store, folder: str = "cells") -> set[str]:
    """Return the keys of all cells (or ``folder="failed"``) that have a file, sound or not."""
    top = store.root / folder
    folders = [each.path for each in listed(top) if each.is_dir()] if folder == "cells" else [top]
    return {each.name for at in folders for each in listed(at) if not each.name.startswith(".")}


def sweep_parts(store: Store) -> int:
    """Remove what a killed writer left half written; return how many files that were.

    Only for the driver that holds the store. A writer of a driver that was killed may still be at
    it, so a file younger than a minute, by the clock of the file system itself, stays.
    """
    now = (store.root / "lock").stat().st_mtime  # the driver has just written its name there
    stale = []
    for part in _parts(store):
        with contextlib.suppress(FileNotFoundError):  # its writer may have been quicker
            if part.stat().st_mtime < now - _STALE_SECONDS:
                part.unlink()
                stale.append(part)
    return len(stale)


@contextlib.contextmanager
def own_parts_removed(store: Store) -> Iterator[None]:
    """Remove at the end what writers left half written meanwhile: they have ended by then.

    Only for the driver that holds the store, around the life of its workers.
    """
    before = set(_parts(store))
    try:
        yield
    finally:
        for part in set(_parts(store)) - before:
            part.unlink(missing_ok=True)


def _parts(store: Store) -> Iterator[Path]:
    top = store.root
    for folder in (top, top / "failed", top / "masks", *(top / "cells").glob("*")):
        for each in listed(folder):
            if each.name.endswith(".part"):
                yield Path(each.path)
