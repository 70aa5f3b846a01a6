"""Does a sweep survive what kills its parts: workers, the driver, both, a cell, the disk?

These start real processes and kill them, so they are slow.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("distributed")
pytest.importorskip("pydantic")

from simulations.sweeps import cluster as sweep_cluster
from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import failures, sweep_status
from simulations.sweeps.store import Store, stored_keys
from tests.test_simulations.helpers.sweeps import GATE, deadly, everything, same, small_sweep
from theory.arrays import InputError

psutil: Any = pytest.importorskip("psutil")
pytestmark = pytest.mark.slow

TOP = Path(__file__).parents[3]
DRIVER = """
from tests.test_simulations.helpers.sweeps import *
from simulations.sweeps.run import run_sweep
from theory.arrays import InputError
import signal, sys
if __name__ == "__main__":
    # Tests started in the background of a shell, or by nohup, were told not to hear these.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    compute = {"slowly": slowly, "gated": gated}[sys.argv[3]]
    try:
        run_sweep(small_sweep(), sys.argv[1], workers=int(sys.argv[2]), compute=compute)
    except InputError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # as the command does
        sys.exit(130)
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
        environment = os.environ | {"PYTHONPATH": str(TOP), GATE: str(self.folder / "gate")}
        with (self.folder / "stderr").open("ab") as told:
            self.process = subprocess.Popen(
                command, env=environment, stderr=told, start_new_session=True
            )
        return self.process

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def told(self) -> str:
        return (self.folder / "stderr").read_text()

    def wait_for_cells(self, count: int) -> None:
        limit = time.monotonic() + 60
        while len(stored_keys(Store(self.root))) < count:
            assert time.monotonic() < limit, "no cell came in a minute"
            assert self.process is not None
            assert self.process.poll() is None, f"the driver has ended: {self.told()}"
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """Return the processes below the driver that compute."""
        assert self.process is not None
        # Not what ps says: under pytest it cuts its lines at 80 columns.
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [each.pid for each in below if "spawn_main" in " ".join(_command(each))]

    def kill(self) -> None:
        if self.process is not None:
            for pid in [*self.workers(), self.process.pid]:
                _kill(pid)
            self.process.wait()


def _command(process: Any) -> list[str]:
    try:
        found: list[str] = process.cmdline()
    except psutil.Error:  # it has just ended
        return []
    return found


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
    victim, _ = driver.workers()
    _kill(victim)
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


def test_a_worker_that_dask_has_given_up_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    async def stay_dead(*_: object) -> None:  # as when a worker dies before it was seen to start
        return None

    monkeypatch.setattr(distributed.Nanny, "_on_worker_exit", stay_dead)
    monkeypatch.setattr(sweep_cluster, "_AWAY_SECONDS", 2.0)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
        sweep_cluster._kept_up(cluster),
    ):
        (before,) = client.run(os.getpid).values()
        _kill(before)
        after = client.submit(os.getpid).result(timeout=60)
        assert after != before
        limit = time.monotonic() + 30
        while not cluster.workers and time.monotonic() < limit:  # it answers before it is noted
            time.sleep(0.05)
        assert list(cluster.workers) == [0]


def test_a_second_driver_is_refused_while_the_first_works(
    driver: Driver, undisturbed: Path
) -> None:
    process = driver.start(speed="gated")
    driver.wait_for_cells(6)
    with pytest.raises(InputError, match="in use by process"):
        run_sweep(small_sweep(), driver.root, workers=0)
    driver.open_gate()
    assert process.wait(timeout=60) == 0
    assert same(everything(driver.root), everything(undisturbed))


def test_of_two_drivers_started_at_once_one_is_refused(tmp_path: Path, undisturbed: Path) -> None:
    both = [Driver(tmp_path / name) for name in ("one", "other")]
    try:
        for driver in both:
            driver.folder.mkdir()
            driver.root = tmp_path / "store"
            driver.start(workers=1, speed="gated")
        limit = time.monotonic() + 60
        while all(each.process is None or each.process.poll() is None for each in both):
            assert time.monotonic() < limit, "both are at it"
            time.sleep(0.02)
        for driver in both:
            driver.open_gate()
        codes = [driver.process.wait(timeout=60) for driver in both if driver.process]
        assert sorted(codes) == [0, 1]
        assert "in use by process" in both[codes.index(1)].told()
    finally:
        for driver in both:
            driver.kill()
    assert same(everything(tmp_path / "store"), everything(undisturbed))


@pytest.mark.parametrize("times", [1, 5])
def test_control_c_stops_cleanly_with_what_is_done_kept(
    driver: Driver, undisturbed: Path, times: int
) -> None:
    process = driver.start(speed="gated")
    driver.wait_for_cells(6)
    workers = driver.workers()
    assert len(workers) == 2
    for _ in range(times):  # a terminal sends it to all its processes; the impatient press again
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
    assert process.wait(timeout=60) == 130
    assert driver.told() == ""
    assert len(stored_keys(Store(driver.root))) == 6
    _ended(workers)
    assert not sweep_status(driver.root).running
    _finish(driver.root, undisturbed, workers=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_driver_told_to_end_takes_its_workers_along(
    driver: Driver, undisturbed: Path, number: signal.Signals
) -> None:
    process = driver.start(speed="gated")
    driver.wait_for_cells(6)
    workers = driver.workers()
    process.send_signal(number)
    assert process.wait(timeout=60) == -number
    _ended(workers)
    _finish(driver.root, undisturbed, workers=0)


def test_a_worker_that_is_held_up_and_goes_on_changes_nothing(
    driver: Driver, undisturbed: Path
) -> None:
    process = driver.start()
    driver.wait_for_cells(1)
    (stopped, *_) = driver.workers()
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(3)
    assert process.poll() is None
    os.kill(stopped, signal.SIGCONT)
    assert process.wait(timeout=60) == 0
    assert same(everything(driver.root), everything(undisturbed))


def _ended(processes: list[int]) -> None:
    limit = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in processes):
        assert time.monotonic() < limit, "a worker outlives its driver"
        time.sleep(0.05)


def test_a_scheduler_started_by_hand_runs_the_same(tmp_path: Path, undisturbed: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    commands = [
        ["dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
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
