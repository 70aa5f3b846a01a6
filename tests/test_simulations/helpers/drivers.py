"""A sweep in a process of its own, which can be killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulations.sweeps.run import run_sweep
from simulations.sweeps.status import sweep_status
from simulations.sweeps.store import Store, stored_keys
from tests.test_simulations.helpers.sweeps import GATE, everything, same, small_sweep

psutil: Any = pytest.importorskip("psutil")

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
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(130)
"""


PATIENCE = 900.0
"""Seconds: a last resort for what hangs. Tests wait for events, since a busy machine is slow."""


def wait_until(happened: Callable[[], bool], *, otherwise: str) -> None:
    """Wait for an event; ``otherwise`` is what went wrong if it never comes."""
    limit = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < limit, otherwise
        time.sleep(0.02)


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
        """Wait until so many cells are there, for as long as the driver lives."""

        def there() -> bool:
            if len(stored_keys(Store(self.root))) >= count:
                return True
            assert self.process is not None
            assert self.process.poll() is None, f"the driver has ended: {self.told()}"
            return False

        wait_until(there, otherwise="the driver lives, but no cell came")

    def workers(self) -> list[int]:
        """Return the processes below the driver that compute."""
        assert self.process is not None
        # Not what ps says: under pytest it cuts its lines at 80 columns.
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [each.pid for each in below if "spawn_main" in " ".join(command_of(each))]

    def kill(self) -> None:
        if self.process is not None:
            for pid in [*self.workers(), self.process.pid]:
                kill(pid)
            self.process.wait()


def command_of(process: Any) -> list[str]:
    """Return the words that a process was started with; none if it has ended."""
    try:
        found: list[str] = process.cmdline()
    except psutil.Error:  # it has just ended
        return []
    return found


def kill(pid: int) -> None:
    """End a process without asking it, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def finish(root: Path, undisturbed: Path, *, workers: int) -> None:
    """Take up a sweep that was broken off, and compare its cells with those of a whole one."""
    # The lock goes with the last process that has it.
    wait_until(lambda: not sweep_status(root).running, otherwise="a dead driver holds the store")
    assert run_sweep(small_sweep(), root, workers=workers).done == 24
    assert same(everything(root), everything(undisturbed))
    assert not list((root / "corrupt").glob("*")) or not (root / "corrupt").exists()
