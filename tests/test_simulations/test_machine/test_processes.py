"""Workers: they end when their parent ends, however it does, and one that dies is an error."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from simulations.machine.processes import each_in_processes
from theory.arrays import InputError

_SCRIPT = """
import pathlib, sys, time
from simulations.machine.processes import each_in_processes

def work(path):
    pathlib.Path(path).touch()
    time.sleep(600)

if __name__ == "__main__":
    for _ in each_in_processes(work, [(path,) for path in sys.argv[1:]], workers=2):
        pass
"""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("SIGINT", id="ctrl-c that reaches the parent alone"),
        pytest.param("SIGTERM", id="terminated"),
        pytest.param("SIGKILL", id="killed"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_no_worker_outlives_its_parent(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    marks = [tmp_path / "one", tmp_path / "two"]
    with subprocess.Popen(
        [sys.executable, str(script), *map(str, marks)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        until = time.monotonic() + 60
        while not all(mark.exists() for mark in marks):
            assert parent.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        parent.send_signal(getattr(signal, name))
        _, said = parent.communicate(timeout=60)  # ends when nobody holds the pipe any more
    assert parent.returncode != 0
    assert said.count("Traceback") == (name == "SIGINT")  # the parent's own, as nobody catches it


def test_what_is_closed_early_ends_at_once() -> None:
    start = time.monotonic()
    with closing(each_in_processes(time.sleep, [(0,), (600,)], workers=2)) as finished:
        assert next(finished)[0] == 0
    assert time.monotonic() - start < 60


def test_answers_come_with_the_number_of_their_call() -> None:
    calls = [(2, 3), (3, 2), (5, 1)]
    assert dict(each_in_processes(pow, calls, workers=2)) == {0: 8, 1: 9, 2: 5}


def test_a_worker_that_dies_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="workers must be fewer"):
        list(each_in_processes(os._exit, [(1,), (1,)], workers=2))


def test_an_error_in_a_worker_is_the_error_of_the_call() -> None:
    with pytest.raises(ZeroDivisionError):
        list(each_in_processes(divmod, [(1, 0)], workers=1))
