"""A sweep in a process of its own, which can be killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
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
        sys.exit(130)
"""


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
                kill(pid)
            self.process.wait()


def _command(process: Any) -> list[str]:
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
    limit = time.monotonic() + 30
    while sweep_status(root).running:  # the lock goes with the last process that has it
        assert time.monotonic() < limit, "a dead driver holds the store"
        time.sleep(0.1)
    assert run_sweep(small_sweep(), root, workers=workers).done == 24
    assert same(everything(root), everything(undisturbed))
    assert not list((root / "corrupt").glob("*")) or not (root / "corrupt").exists()
