"""Does a sweep survive what kills its parts: workers, the driver, both, a cell, the disk?

These start real processes and kill them, so they are slow.
"""

import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")
pytest.importorskip("pydantic")

from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import failures
from simulations.sweeps.store import Store, stored_keys
from tests.test_simulations.helpers.drivers import Driver, finish, kill
from tests.test_simulations.helpers.sweeps import deadly, everything, same, small_sweep
from theory.arrays import InputError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(3))
def test_a_worker_killed_at_any_moment_costs_nothing(
    driver: Driver, undisturbed: Path, seed: int
) -> None:
    process = driver.start()
    chance = np.random.default_rng(seed)
    driver.wait_for_cells(1)
    time.sleep(chance.uniform(0, 0.4))
    victim, _ = driver.workers()
    kill(victim)
    assert process.wait(timeout=60) == 0
    assert same(everything(driver.root), everything(undisturbed))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_killed_driver_is_taken_up_again(driver: Driver, undisturbed: Path, workers: int) -> None:
    driver.start()
    driver.wait_for_cells(6)
    assert driver.process is not None
    kill(driver.process.pid)
    driver.process.wait()
    finish(driver.root, undisturbed, workers=workers)


def test_driver_and_workers_killed_at_once_are_taken_up_again(
    driver: Driver, undisturbed: Path
) -> None:
    driver.start()
    driver.wait_for_cells(1)
    driver.kill()
    finish(driver.root, undisturbed, workers=0)


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
    finish(store, undisturbed, workers=0)
