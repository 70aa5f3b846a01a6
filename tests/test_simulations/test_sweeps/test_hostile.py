"""What does a sweep do when its user or its surroundings do what they should not?"""

import importlib.util
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")

from paper_figures.command.main import main
from simulations.machine.files import CorruptError, commit_file, read_file
from simulations.sweeps import expansion as sweep_expansion
from simulations.sweeps import task as sweep_task
from simulations.sweeps import workers as sweep_workers
from simulations.sweeps.cells import Task
from simulations.sweeps.config import Sweep, make_sweep
from simulations.sweeps.dataset import read_store
from simulations.sweeps.expansion import expand
from simulations.sweeps.export import export_store
from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import failures, sweep_status
from simulations.sweeps.store import Store, has_driver, only_driver, stored_keys, sweep_parts
from simulations.sweeps.task import Order, Readings, StopError, run_task, worker_run
from simulations.sweeps.workers import Failure, default_workers
from tests.test_simulations.helpers.sweeps import STACK, everything, raising, same, small_sweep
from theory.arrays import InputError


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sweep") / "store"
    run_sweep(small_sweep(), root, workers=0)
    return root


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


def test_a_path_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name too long"):
        run_sweep(small_sweep(), tmp_path / ("x" * 300), workers=0)


def test_a_grid_that_is_too_large_is_refused_before_its_points_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep_expansion, "_sobol_points", None)
    tau = {"low": 1.0, "high": 2.0}
    for content in (
        {"sobol": {"points": 2**24, "axes": {"tau": tau}}},
        {"seeds": {"count": 10**18}},
        {"axes": {name: {"linspace": [1, 2, 1000]} for name in ("tau", "value_gain", "ln_eps")}},
    ):
        with pytest.raises(InputError, match="at most 10,000,000 cells"):
            expand(make_sweep(**content))


def test_a_store_behind_a_link_in_a_folder_with_spaces_is_the_same_store(
    undisturbed: Path, tmp_path: Path
) -> None:
    (tmp_path / "a b").mkdir()
    link = tmp_path / "a b" / "link ü"
    link.symlink_to(undisturbed)
    assert run_sweep(small_sweep(), link, workers=0) == Tally(24, 24)
    with only_driver(Store(undisturbed)), pytest.raises(InputError, match="in use"):
        run_sweep(small_sweep(), link, workers=0)


def test_a_disk_without_hard_links_keeps_cells_all_the_same(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("simulations.machine.files.os.link", no_links)
    run_sweep(small_sweep(), tmp_path / "s", workers=0)
    assert same(everything(tmp_path / "s"), everything(undisturbed))
    assert not commit_file(tmp_path / "s" / "sweep", b"other")


def test_a_look_at_the_status_keeps_no_driver_out(undisturbed: Path) -> None:
    with only_driver(Store(undisturbed)):
        assert has_driver(Store(undisturbed))
        assert sweep_status(undisturbed).running
    assert not has_driver(Store(undisturbed))


def test_a_disk_that_locks_no_files_is_refused_as_such(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("simulations.machine.locks.fcntl.flock", no_locks)
    with pytest.raises(InputError, match="can lock files"):
        run_sweep(small_sweep(), undisturbed, workers=0)


def test_a_worker_that_does_not_see_the_store_stops_the_sweep(tmp_path: Path) -> None:
    sweep = small_sweep()
    task = expand(sweep).tasks[0]
    order = Order(sweep, task, ("ab",) * task.size, tmp_path / "elsewhere", "0" * 64)
    with pytest.raises(StopError, match="does not see the store"):
        run_task(order)
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_that_is_removed_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    root = tmp_path / "s"

    def remove(tally: Tally) -> None:
        if tally.done == 6:
            shutil.rmtree(root)

    with pytest.raises(InputError, match="does not see the store"):
        run_sweep(small_sweep(), root, workers=0, on_progress=remove)
    assert not root.exists()


def test_a_backend_that_is_not_there_stops_before_any_cell_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise InputError("backend 'torch' is not installed")

    monkeypatch.setattr(sweep_task, "backend", absent)
    with pytest.raises(InputError, match="not installed"):
        run_sweep(small_sweep(), tmp_path / "s", workers=0)
    assert not failures(Store(tmp_path / "s"))


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


class AwkwardError(Exception):
    """An error that cannot be sent from process to process."""

    def __init__(self, one: int, two: object) -> None:
        super().__init__(one)
        self.two = two


def awkward(sweep: Sweep, task: Task) -> Readings:
    raise AwkwardError(1, lambda: None)


def starving(sweep: Sweep, task: Task) -> Readings:
    raise MemoryError


def leaving(sweep: Sweep, task: Task) -> Readings:
    raise SystemExit(3)


@pytest.mark.parametrize("compute", [awkward, starving, leaving])
def test_whatever_a_cell_raises_is_noted(tmp_path: Path, compute: sweep_task.Compute) -> None:
    sweep = small_sweep(seeds={"count": 1}, run={"cells_per_task": 1})
    assert run_sweep(sweep, tmp_path / "s", workers=0, compute=compute) == Tally(4, 0, failed=4)
    assert all(
        re.match(r"\w+(Error|Exit):", note["error"])
        for note in failures(Store(tmp_path / "s")).values()
    )


def test_lost_neighbours_are_run_whole_again_and_only_a_lone_cell_is_blamed(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib
    from collections.abc import Iterator

    @contextlib.contextmanager
    def crowded(**_: object) -> Iterator[sweep_workers.RunTasks]:
        def run(orders):  # type: ignore[no-untyped-def]
            waiting = list(orders)
            poisoned = any(3 in o.task.seeds and o.task.cases[0].mask == "causal"
                           and any(c.stack.value_gain == 0.5 for c in o.task.cases)
                           for _, o in waiting)  # fmt: skip
            for tag, order in waiting:  # the poison takes all that wait along
                yield tag, Failure("lost", "died") if poisoned else sweep_workers.attempt(order)

        yield run

    monkeypatch.setattr("simulations.sweeps.run.task_results", crowded)
    tally = run_sweep(small_sweep(), tmp_path / "s", workers=0)
    assert tally == Tally(24, 23, failed=1)
    (note,) = failures(Store(tmp_path / "s")).values()
    assert (note["seed"], note["mask"]) == (3, "causal")
    whole, rest = everything(undisturbed), everything(tmp_path / "s")
    assert same(rest, {key: whole[key] for key in rest})


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


def test_stacks_of_several_depths_and_flags_are_one_data_set(tmp_path: Path) -> None:
    sweep = make_sweep(
        stack={"tokens": 4, "width": 4, "heads": 1, "ffn_width": 8},
        axes={"tied": [True, False], "depth": {"linspace": [1, 3, 3]}},
        zipped=[{"mask": ["full", "causal"], "tau": [1, 2]}],
        quantities=["cosine_similarity"],
        run={"cells_per_task": 1},
    )
    run_sweep(sweep, tmp_path / "s", workers=0)
    found = read_store(tmp_path / "s")
    assert found["cosine_similarity"].dims == ("tied", "depth", "mask+tau", "seed", "layer")
    missing = np.isnan(found["cosine_similarity"].sel(depth=1))
    assert missing.isel(layer=slice(2, None)).all()
    assert not missing.isel(layer=slice(0, 2)).any()
    if importlib.util.find_spec("h5netcdf"):
        assert export_store(tmp_path / "s", tmp_path / "a.nc") == 0
        assert not list(tmp_path.glob(".*part*"))


def test_one_and_one_point_nought_are_one_cell() -> None:
    whole, real = (expand(make_sweep(axes={"tau": [one]})) for one in (1, 1.0))
    assert whole.keys() == real.keys()
    with pytest.raises(InputError, match="holds a value twice"):
        make_sweep(axes={"tau": [1, 1.0]})


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"axes": {"tau": [float("nan")]}}, "axes.tau.values"),
        ({"axes": {"tau": {"linspace": [0.0, float("inf"), 3]}}}, "linspace"),
        ({"axes": {"tau": {"logspace": [1e-300, 1e300, 3]}}}, "too far apart"),
        ({"axes": {"value_gain": {"linspace": [-1.7e308, 1.7e308, 4]}}}, "too far apart"),
        ({"stack": {"tau": float("inf")}}, "stack.tau"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"seeds": {"first": 2**63}}, "seeds.first"),
        ({"sobol": {"points": 4, "axes": {"mask": {"low": 0.0, "high": 1.0}}}}, "mask: is not"),
        ({"mask": "causal", "axes": {"mask": ["full"]}}, "set twice"),
        ({"quantities": ["distance", "distance"]}, "each once"),
        ({"run": {"cells_per_task": 0}}, "cells_per_task"),
    ],
)
def test_numbers_that_no_sweep_can_have_are_refused(content: dict, match: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=match):
        make_sweep(**content)


def test_a_giant_whole_number_is_refused() -> None:
    with pytest.raises(InputError, match="within float64"):
        expand(make_sweep(stack={"tau": 10**400}))


def test_workers_take_devices_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_task, "device_count", lambda name: 4)
    monkeypatch.setattr(sweep_workers, "device_count", lambda name: 4)
    run = make_sweep(run={"backend": "torch", "device": "cuda"}).run
    assert [worker_run(run, i).device for i in (0, 1, 5)] == ["cuda:0", "cuda:1", "cuda:1"]
    assert worker_run(run, None) == run
    assert default_workers(run) == 4
    for device in ("cpu", "cuda:2", None):
        fixed = make_sweep(run={"backend": "torch", "device": device}).run
        assert worker_run(fixed, 1) == fixed
    assert worker_run(make_sweep(run={"backend": "cupy"}).run, 6).device == "cuda:2"


def test_without_the_extra_there_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "sweep.toml"
    config.write_text("")
    command = ["sweep", str(config), "--store", str(tmp_path / "s")]

    def refuse() -> None:
        raise InputError("workers must be 0 unless Dask is installed: pip install ...")

    monkeypatch.setattr(sweep_workers, "require_dask", refuse)
    assert main([*command, "--workers", "2"]) == 2
    assert "Dask" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(command) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    assert "pip install 'oversmooth[sweep]'" in error
    assert not (tmp_path / "s").exists()


def test_a_file_that_cannot_be_read_back_is_damaged(tmp_path: Path) -> None:
    commit_file(tmp_path / "a", b"payload")
    assert read_file(tmp_path / "a") == b"payload"
    (tmp_path / "b").mkdir()
    with pytest.raises(CorruptError):
        read_file(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "a" / "c")
