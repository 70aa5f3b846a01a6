"""Does a store keep what it was given, or say that it does not?"""

import json
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("safetensors")

from simulations.machine import files as durable
from simulations.machine.files import CorruptError, DiskError, commit_file, read_file
from simulations.sweeps.store import (
    Store,
    commit_cell,
    create_store,
    has_driver,
    only_driver,
    open_store,
    own_parts_removed,
    read_cell,
    read_manifest,
    set_aside,
    stored_keys,
    sweep_parts,
)
from theory.arrays import InputError

ARRAYS = {"a": np.arange(5.0), "b": np.asarray([True, False]), "c": np.asarray([1, -1], np.int8)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(tmp_path / "store", {"name": "x"})


def test_a_cell_comes_back_to_the_last_bit(store: Store) -> None:
    assert commit_cell(store, "ab12", ARRAYS, {"seed": 3})
    arrays, header = read_cell(store, "ab12")
    assert header == {"seed": 3}
    assert arrays.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        assert arrays[name].dtype == values.dtype
        assert arrays[name].tobytes() == values.tobytes()


def test_a_cell_that_is_there_is_never_replaced(store: Store) -> None:
    commit_cell(store, "ab12", ARRAYS, {"seed": 3})
    assert not commit_cell(store, "ab12", {"a": np.zeros(1)}, {"seed": 4})
    assert read_cell(store, "ab12")[1] == {"seed": 3}
    assert not list(store.root.rglob("*.part"))


@given(data=st.data())
def test_every_flipped_bit_of_a_file_is_seen(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("flip") / "file"
    commit_file(path, b"some payload\nof two lines")
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(bytes(content))
    with pytest.raises(CorruptError):
        read_file(path)


def test_a_file_cut_short_anywhere_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    commit_file(path, b"payload")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptError):
            read_file(path)


def test_a_file_of_a_newer_version_is_refused_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "VERSION", 2)
    commit_file(tmp_path / "file", b"payload")
    monkeypatch.setattr(durable, "VERSION", 1)
    with pytest.raises(InputError, match="newer version"):
        read_file(tmp_path / "file")


def test_a_store_of_another_sweep_is_refused_with_what_differs(store: Store) -> None:
    with pytest.raises(InputError, match="differs in seeds"):
        create_store(store.root, {"name": "x", "seeds": {"count": 3}})
    create_store(store.root, {"name": "x"})


def test_a_sweep_that_is_called_otherwise_keeps_its_store(store: Store) -> None:
    create_store(store.root, {"name": "y"})
    assert read_manifest(store) == {"name": "x"}, "no number depends on it"


def test_a_folder_with_other_things_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        create_store(tmp_path, {"name": "x"})
    with pytest.raises(InputError, match="no file sweep"):
        open_store(tmp_path)


def test_only_one_process_drives_a_store(store: Store) -> None:
    assert not has_driver(store)
    with only_driver(store):
        assert has_driver(store)
        with (
            pytest.raises(InputError, match=f"in use by process {os.getpid()}"),
            only_driver(store),
        ):
            pass
    assert not has_driver(store)


def test_a_damaged_file_is_kept_aside(store: Store) -> None:
    commit_cell(store, "ab12", ARRAYS, {})
    moved = set_aside(store, store.cell_path("ab12"))
    assert moved.exists()
    assert stored_keys(store) == set()


def test_a_disk_that_takes_no_more_leaves_no_half_file(store: Store) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(DiskError, match="cannot be written"):
            commit_cell(store, "ab12", ARRAYS, {"long": "x" * 500})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert stored_keys(store) == set()
    assert not list(store.root.rglob("*.part"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DiskError):
        create_store(tmp_path / "store", {"name": "x"})


def test_a_store_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        create_store(tmp_path / "file" / "store", {"name": "x"})


def test_a_damaged_manifest_says_what_to_do(store: Store) -> None:
    (store.root / "sweep").write_text(json.dumps({"name": "x"}))
    with pytest.raises(InputError, match="its cells are safe"):
        open_store(store.root)


def test_what_a_stopped_writer_of_this_driver_left_is_removed_in_every_folder(store: Store) -> None:
    older = store.root / "cells" / "00" / ".older.part"
    older.parent.mkdir(parents=True)
    older.touch()
    left = [store.root / name / ".new.part" for name in ("cells/00", "failed", "masks", ".")]
    with only_driver(store), own_parts_removed(store):
        for part in left:
            part.parent.mkdir(exist_ok=True)
            part.touch()
    assert not any(part.exists() for part in left)
    assert older.exists(), "whose it is nobody knows: that is for its age to say"


def test_a_mask_half_written_long_ago_is_removed(store: Store) -> None:
    old = store.root / "masks" / ".old.part"
    old.parent.mkdir()
    old.touch()
    os.utime(old, (0, 0))
    with only_driver(store):
        assert sweep_parts(store) == 1
    assert not old.exists()
