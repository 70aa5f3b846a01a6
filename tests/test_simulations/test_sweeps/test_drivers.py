"""Does one driver alone work on a store, and does it end cleanly?

These start real processes and end them, so they are slow.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed")
pytest.importorskip("pydantic")

from simulations.sweeps.run import run_sweep
from simulations.sweeps.status import sweep_status
from simulations.sweeps.store import Store, stored_keys
from tests.test_simulations.helpers.drivers import Driver, finish
from tests.test_simulations.helpers.sweeps import everything, same, small_sweep
from theory.arrays import InputError

pytestmark = pytest.mark.slow


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
    finish(driver.root, undisturbed, workers=0)


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
    finish(driver.root, undisturbed, workers=0)


def _ended(processes: list[int]) -> None:
    limit = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in processes):
        assert time.monotonic() < limit, "a worker outlives its driver"
        time.sleep(0.05)
