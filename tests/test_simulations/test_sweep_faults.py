"""Does a sweep survive what kills its parts: workers, the driver, both, a cell, the disk?

These start real processes and kill them, so they are slow.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")
pytest.importorskip("pydantic")

from simulations.records import Store, stored_keys
from simulations.sweep import Tally, run_sweep
from simulations.sweep_status import failures, sweep_status
from tests.test_simulations.sweeps import deadly, everything, same, small_sweep
from theory.arrays import InputError

pytestmark = pytest.mark.slow

TOP = Path(__file__).parents[2]
DRIVER = """
from tests.test_simulations.sweeps import *
from simulations.sweep import run_sweep
import sys
if __name__ == "__main__":
    compute = slowly if sys.argv[3] == "slowly" else compute_task
    run_sweep(small_sweep(), sys.argv[1], workers=int(sys.argv[2]), compute=compute)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sweep") / "store"
    run_sweep(small_sweep(), root, workers=0)
    return root


@pytest.fixture
def driver(tmp_path: Path) -> Iterator["Driver"]:
    made = Driver(tmp_path)
    yield made
    made.kill()


class Driver:
    """A sweep in a process of its own, which can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "store"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, workers: int = 2, speed: str = "slowly") -> "subprocess.Popen[bytes]":
        script = self.folder / "driver.py"
        script.write_text(DRIVER)
        command = [sys.executable, str(script), str(self.root), str(workers), speed]
        environment = os.environ | {"PYTHONPATH": str(TOP)}
        self.process = subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        )
        return self.process

    def wait_for_cells(self, count: int) -> None:
        limit = time.monotonic() + 60
        while len(stored_keys(Store(self.root))) < count:
            assert time.monotonic() < limit, "no cell came in a minute"
            assert self.process is not None
            if self.process.poll() is not None:
                return
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """Return the processes below the driver that compute."""
        assert self.process is not None
        told = subprocess.run(
            ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 2) for line in told.splitlines()[1:]]
        below = {self.process.pid}
        for pid, parent, _ in sorted(rows, key=lambda row: int(row[0])):
            if int(parent) in below:
                below.add(int(pid))
        return [int(p) for p, _, args in rows if int(p) in below and "spawn_main" in args]

    def kill(self) -> None:
        if self.process is not None:
            for pid in [*self.workers(), self.process.pid]:
                _kill(pid)
            self.process.wait()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _finish(root: Path, undisturbed: Path, *, workers: int) -> None:
    limit = time.monotonic() + 30
    while sweep_status(root).running:  # the lock goes with the last process that has it
        assert time.monotonic() < limit, "a dead driver holds the store"
        time.sleep(0.1)
    assert run_sweep(small_sweep(), root, workers=workers).done == 24
    assert same(everything(root), everything(undisturbed))
    assert not list((root / "corrupt").glob("*")) or not (root / "corrupt").exists()


@pytest.mark.parametrize("seed", range(3))
def test_a_worker_killed_at_any_moment_costs_nothing(
    driver: Driver, undisturbed: Path, seed: int
) -> None:
    process = driver.start()
    chance = np.random.default_rng(seed)
    driver.wait_for_cells(1)
    time.sleep(chance.uniform(0, 0.4))
    for pid in driver.workers()[:1]:
        _kill(pid)
    assert process.wait(timeout=60) == 0
    assert same(everything(driver.root), everything(undisturbed))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_killed_driver_is_taken_up_again(driver: Driver, undisturbed: Path, workers: int) -> None:
    driver.start()
    driver.wait_for_cells(6)
    assert driver.process is not None
    _kill(driver.process.pid)
    driver.process.wait()
    _finish(driver.root, undisturbed, workers=workers)


def test_driver_and_workers_killed_at_once_are_taken_up_again(
    driver: Driver, undisturbed: Path
) -> None:
    driver.start()
    driver.wait_for_cells(1)
    driver.kill()
    _finish(driver.root, undisturbed, workers=0)


def test_a_cell_that_kills_its_workers_is_left_alone_and_told(
    undisturbed: Path, tmp_path: Path
) -> None:
    tally = run_sweep(small_sweep(), tmp_path / "s", workers=2, compute=deadly)
    assert tally == Tally(24, done=23, failed=1)
    (failure,) = failures(Store(tmp_path / "s")).values()
    assert "workers died" in failure["error"]
    assert (failure["seed"], failure["mask"]) == (3, "causal")
    whole = everything(undisturbed)
    rest = everything(tmp_path / "s")
    assert same(rest, {key: whole[key] for key in rest})
    tally = run_sweep(small_sweep(), tmp_path / "s", workers=0, retry_failed=True)
    assert tally == Tally(24, 24)


def test_a_second_driver_is_refused_while_the_first_works(
    driver: Driver, undisturbed: Path
) -> None:
    driver.start()
    driver.wait_for_cells(1)
    with pytest.raises(InputError, match="in use by process"):
        run_sweep(small_sweep(), driver.root, workers=0)
    assert driver.process is not None
    assert driver.process.wait(timeout=60) == 0
    assert same(everything(driver.root), everything(undisturbed))


def test_control_c_stops_cleanly_with_what_is_done_kept(driver: Driver, undisturbed: Path) -> None:
    process = driver.start()
    driver.wait_for_cells(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    assert stored_keys(Store(driver.root))
    _finish(driver.root, undisturbed, workers=0)


def test_a_scheduler_started_by_hand_runs_the_same(tmp_path: Path, undisturbed: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    address = "tcp://127.0.0.1:18786"
    commands = [
        ["dask", "scheduler", "--host", "127.0.0.1", "--port", "18786", "--no-dashboard"],
        *[["dask", "worker", address, "--nthreads", "1", "--no-dashboard"]] * 2,
    ]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        assert run_sweep(small_sweep(), tmp_path / "s", scheduler=address).done == 24
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=30)
    assert same(everything(tmp_path / "s"), everything(undisturbed))


def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not answer"):
        run_sweep(small_sweep(), tmp_path / "s", scheduler="tcp://127.0.0.1:9")


def test_a_full_disk_stops_the_sweep_and_loses_nothing(undisturbed: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    run_sweep(small_sweep(seeds={"count": 6}), store, workers=0, on_progress=None)
    keys = sorted(stored_keys(Store(store)))
    for key in keys[:10]:
        Store(store).cell_path(key).unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, before[1]))
    try:
        with pytest.raises(InputError, match="cannot be written"):
            run_sweep(small_sweep(), store, workers=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(store.rglob("*.part"))
    _finish(store, undisturbed, workers=0)
