"""Whatever is raised becomes one line and exit code 2, and Ctrl-C is heard at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paper_figures.command import theorems
from paper_figures.command.guard import TRACEBACK
from paper_figures.command.main import main
from tests.helpers.commands import refused, said

TOP = Path(__file__).parents[3]
LOADING = """
import sys, time
class Slow:
    def find_spec(self, name, *_):
        if name == "cyclopts":
            print("ready", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
"""
COMPUTING = """
import numpy as np
import paper_figures.command.main as command
def main():
    matrix = np.random.default_rng(0).random((3000, 3000))
    print("ready", flush=True)
    np.linalg.eigvals(matrix)
    np.linalg.eigvals(matrix)
    return 0
command.main = main
"""
START = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background do not hear it
from paper_figures.command.start import start
sys.exit(start())
"""


class PanicException(BaseException):
    """As pyo3 has it: no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("axes don't match"),
        RecursionError("maximum recursion depth exceeded"),
        PanicException("called `Option::unwrap()` on a `None` value"),
        ZeroDivisionError("of two\nlines"),
        OverflowError("x" * 10**6),
    ],
)
def test_what_nobody_foresaw_is_one_line(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(theorems, "_check", _raiser(error))
    line = refused(capsys, "check", "x.npz")
    assert line.startswith(f"oversmooth: internal error: {type(error).__name__}: ")
    assert len(line) < 2000
    monkeypatch.setenv(TRACEBACK, "1")
    code, _, told = said(capsys, "check", "x.npz")
    assert code == 2
    assert "Traceback (most recent call last)" in told


def test_a_file_that_cannot_be_used_is_not_blamed_on_the_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(theorems, "_check", _raiser(IsADirectoryError(21, "Is a folder", "m.npy")))
    assert "m.npy cannot be used: Is a folder" in refused(capsys, "check", "x.npz")
    monkeypatch.setattr(theorems, "_check", _raiser(OSError(24, "Too many open files", "m.npy")))
    assert "too many files are open at once" in refused(capsys, "check", "x.npz")


def test_a_folder_in_the_place_of_a_mask_is_called_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mask.npy").mkdir()
    line = refused(capsys, "simulate", "--mask", str(tmp_path / "mask.npy"))
    assert "mask.npy' cannot be read: Is a directory" in line


def test_an_exit_that_was_meant_stays_one_and_ctrl_c_in_an_import_is_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(theorems, "_check", _raiser(SystemExit(3)))
    with pytest.raises(SystemExit):
        main(["check", "x.npz"])
    broken = ImportError("cannot import multiarray")
    broken.__context__ = KeyboardInterrupt()
    monkeypatch.setattr(theorems, "_check", _raiser(broken))
    assert said(capsys, "check", "x.npz") == (130, "", "oversmooth: stopped\n")


def _raiser(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_closed_stdout_loses_nothing_without_a_word() -> None:
    command = f"{sys.executable} -m oversmooth simulate --depth 1 >&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("oversmooth: stdout must be open")


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal there")
@pytest.mark.parametrize("at", [LOADING, COMPUTING], ids=["imports", "LAPACK"])
def test_ctrl_c_ends_the_command_at_once(at: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", at + START],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)  # into the routine that hears nothing
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "oversmooth: stopped\n")
    assert time.monotonic() - sent < 10, "2 s, and as much again for a machine that is busy"
