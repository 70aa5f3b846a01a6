"""What does a sweep do with damaged files and strange things in its store?"""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")

from simulations.machine.files import CorruptError, commit_file, read_file
from simulations.sweeps.dataset import read_store
from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import failures, sweep_status
from simulations.sweeps.store import Store, only_driver, stored_keys, sweep_parts
from tests.test_simulations.helpers.sweeps import STACK, everything, raising, same, small_sweep
from theory.arrays import InputError


def test_a_cell_under_the_name_of_another_is_damaged(undisturbed: Path, tmp_path: Path) -> None:
    root = tmp_path / "s"
    shutil.copytree(undisturbed, root)
    first, second, *_ = sorted(stored_keys(Store(root)))
    shutil.copy(Store(root).cell_path(first), Store(root).cell_path(second))
    assert sweep_status(root).tally == Tally(24, 23, corrupt=1)
    run_sweep(small_sweep(), root, workers=0)
    assert same(everything(root), everything(undisturbed))


def test_what_stands_where_a_cell_belongs_is_put_aside(undisturbed: Path, tmp_path: Path) -> None:
    root = tmp_path / "s"
    shutil.copytree(undisturbed, root)
    path = Store(root).cell_path(min(stored_keys(Store(root))))
    path.unlink()
    path.mkdir()
    assert run_sweep(small_sweep(), root, workers=0) == Tally(24, 24, corrupt=1)


def test_a_link_to_nothing_where_a_cell_belongs_does_not_pass_for_it(
    undisturbed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "s"
    shutil.copytree(undisturbed, root)
    path = Store(root).cell_path(min(stored_keys(Store(root))))
    path.unlink()
    path.symlink_to("nowhere")
    assert run_sweep(small_sweep(), root, workers=0) == Tally(24, 24, corrupt=1)
    assert same(everything(root), everything(undisturbed))


@pytest.mark.parametrize("content", [b"no JSON", b"[1, 2]"])
def test_a_sound_file_that_is_no_sweep_or_note_is_damaged(
    undisturbed: Path, tmp_path: Path, content: bytes
) -> None:
    root = tmp_path / "s"
    shutil.copytree(undisturbed, root)
    key = min(stored_keys(Store(root)))
    commit_file(Store(root).failure_path(key), content)
    assert "holds no" in failures(Store(root))[key]["error"]
    (root / "sweep").unlink()
    commit_file(root / "sweep", content)
    for act in (lambda: sweep_status(root), lambda: run_sweep(small_sweep(), root, workers=0)):
        with pytest.raises(InputError, match="its cells are safe"):
            act()
    (root / "sweep").unlink()
    assert run_sweep(small_sweep(), root, workers=0) == Tally(24, 24)


def test_old_halves_of_files_are_removed_and_young_ones_stay(
    undisturbed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "s"
    shutil.copytree(undisturbed, root)
    old, young = (root / "cells" / "00" / f".{name}.part" for name in ("old", "young"))
    old.parent.mkdir(exist_ok=True)
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 600,) * 2)
    with only_driver(Store(root)):
        assert sweep_parts(Store(root)) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert sweep_status(root).tally == Tally(24, 24)


def test_a_damaged_note_of_a_failure_is_told_and_the_cell_tried_again(tmp_path: Path) -> None:
    root = tmp_path / "s"
    run_sweep(small_sweep(), root, workers=0, compute=raising)
    (key,) = failures(Store(root))
    Store(root).failure_path(key).write_bytes(b"\x00garbage")
    assert "damaged" in failures(Store(root))[key]["error"]
    assert run_sweep(small_sweep(), root, workers=0).failed == 1
    assert run_sweep(small_sweep(), root, workers=0, retry_failed=True) == Tally(24, 24)


def test_a_mask_file_that_changes_is_refused_and_the_store_stays_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("mask.npy", np.tril(np.ones((4, 4), dtype=bool)))
    changes = {"axes": {"mask": ["causal", "mask.npy"]}, "stack": STACK}
    run_sweep(small_sweep(**changes), "s", workers=0)
    data = read_store("s")
    np.testing.assert_array_equal(
        data["distance"].sel(mask="causal"), data["distance"].sel(mask="mask.npy")
    )
    np.save("mask.npy", np.ones((4, 4), dtype=bool))
    with pytest.raises(InputError, match="differs in mask_files"):
        run_sweep(small_sweep(**changes), "s", workers=0)
    Path("mask.npy").unlink()
    assert sweep_status("s").tally == Tally(12, 12)
    assert bool(read_store("s")["complete"].all())


def test_a_damaged_copy_of_a_mask_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("mask.npy", np.tril(np.ones((4, 4), dtype=bool)))
    sweep = small_sweep(axes={"mask": ["mask.npy"]})
    run_sweep(sweep, "s", workers=0)
    (copy,) = Path("s/masks").iterdir()
    copy.write_bytes(b"")
    Store(Path("s")).cell_path(min(stored_keys(Store(Path("s"))))).unlink()
    assert run_sweep(sweep, "s", workers=0) == Tally(6, 6)


def test_a_file_that_cannot_be_read_back_is_damaged(tmp_path: Path) -> None:
    commit_file(tmp_path / "a", b"payload")
    assert read_file(tmp_path / "a") == b"payload"
    (tmp_path / "b").mkdir()
    with pytest.raises(CorruptError):
        read_file(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "a" / "c")
