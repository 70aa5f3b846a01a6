"""What does a sweep do on strange disks, without its extra, or with a store that is gone?"""

import importlib.util
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")

from paper_figures.command.main import main
from simulations.machine.files import commit_file
from simulations.sweeps import task as sweep_task
from simulations.sweeps import workers as sweep_workers
from simulations.sweeps.config import make_sweep
from simulations.sweeps.expansion import expand
from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import failures, sweep_status
from simulations.sweeps.store import Store, has_driver, only_driver
from simulations.sweeps.task import Order, StopError, run_task, worker_run
from simulations.sweeps.workers import default_workers
from tests.test_simulations.helpers.sweeps import everything, same, small_sweep
from theory.arrays import InputError


def test_a_path_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name too long"):
        run_sweep(small_sweep(), tmp_path / ("x" * 300), workers=0)


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
