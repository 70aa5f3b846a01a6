"""Does one driver alone work on a store, and does it end cleanly?

These start real processes and end them, so they are slow.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")
pytest.importorskip("pydantic")

from simulations.sweeps.run import run_sweep
from simulations.sweeps.status import sweep_status
from simulations.sweeps.store import Store, stored_keys
from tests.test_simulations.helpers.drivers import (
    PATIENCE,
    TOP,
    Driver,
    command_of,
    finish,
    wait_until,
)
from tests.test_simulations.helpers.sweeps import everything, same, small_sweep
from theory.arrays import InputError

psutil: Any = pytest.importorskip("psutil")
pytestmark = pytest.mark.slow


def test_a_second_driver_is_refused_while_the_first_works(
    driver: Driver, undisturbed: Path
) -> None:
    process = driver.start(speed="gated")
    driver.wait_for_cells(6)
    with pytest.raises(InputError, match="in use by process"):
        run_sweep(small_sweep(), driver.root, workers=0)
    driver.open_gate()
    assert process.wait(timeout=PATIENCE) == 0
    assert same(everything(driver.root), everything(undisturbed))


def test_of_two_drivers_started_at_once_one_is_refused(tmp_path: Path, undisturbed: Path) -> None:
    both = [Driver(tmp_path / name) for name in ("one", "other")]
    try:
        for driver in both:
            driver.folder.mkdir()
            driver.root = tmp_path / "store"
            driver.start(workers=1, speed="gated")
        wait_until(
            lambda: any(each.process and each.process.poll() is not None for each in both),
            otherwise="both are at it",
        )
        for driver in both:
            driver.open_gate()
        codes = [driver.process.wait(timeout=PATIENCE) for driver in both if driver.process]
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
    assert process.wait(timeout=PATIENCE) == 130
    assert driver.told() == ""
    assert len(stored_keys(Store(driver.root))) == 6
    _ended(workers)
    assert not sweep_status(driver.root).running
    finish(driver.root, undisturbed, workers=0)


def test_control_c_while_workers_start_ends_the_command_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text("[axes]\nvalue_gain = [0.5, 1.0]\n[stack]\ndepth = 1\n")
    command = ["sweep", str(tmp_path / "sweep.toml"), "--store", str(tmp_path / "store")]
    program = (
        "import signal, sys\n"
        "from paper_figures.command.start import start\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    sys.exit(start())\n"
    )
    (tmp_path / "program.py").write_text(program)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), *command, "--workers", "2"],
        env=os.environ | {"PYTHONPATH": str(TOP)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    below = psutil.Process(process.pid)
    wait_until(
        lambda: any("spawn_main" in " ".join(command_of(each)) for each in _children(below)),
        otherwise="no worker starts",
    )
    workers = [each.pid for each in _children(below)]
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert (process.returncode, told) == (130, b"oversmooth: stopped\n")
    _ended(workers)
    assert not list((tmp_path / "store").rglob("*.part"))
    assert not sweep_status(tmp_path / "store").running


def _children(process: Any) -> list[Any]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_driver_told_to_end_takes_its_workers_along(
    driver: Driver, undisturbed: Path, number: signal.Signals
) -> None:
    process = driver.start(speed="gated")
    driver.wait_for_cells(6)
    workers = driver.workers()
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) == -number
    _ended(workers)
    finish(driver.root, undisturbed, workers=0)


def _ended(processes: list[int]) -> None:
    wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes),
        otherwise="a worker outlives its driver",
    )
