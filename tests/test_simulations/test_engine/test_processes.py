"""Processes: the same survey in shares, one thread each, and a warning where there are too many."""

import os
import warnings

import numpy as np
import pytest

from simulations.engine import processes as engine_processes
from simulations.engine.processes import survey_in_processes
from simulations.engine.surveys import grid, survey
from simulations.machine.threads import THREADS, cores, one_thread_each
from simulations.stacks.stack import Stack
from theory.arrays import InputError

SMALL = Stack(depth=2, tokens=5, width=8, heads=2, ffn_width=8)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("simulations.machine.threads.cores", lambda: 2)


def test_two_processes_read_what_one_does() -> None:
    cells = grid(SMALL, value_gain=[0.5, 1.0])
    one = survey(cells, seeds=range(3, 8))
    two = survey_in_processes(cells, seeds=range(3, 8), processes=2)
    assert two.seeds == one.seeds
    for left, right in ((one.tokens, two.tokens), (one.blocks, two.blocks)):
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_allclose(left[name], right[name], rtol=1e-9)


def test_one_share_needs_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_processes, "_pool", None)
    assert survey_in_processes([SMALL], seeds=range(1), processes=4).complete.all()
    with pytest.raises(InputError, match="processes must be at least 1"):
        survey_in_processes([SMALL], seeds=range(4), processes=0)


def test_children_get_one_thread_and_nothing_is_left_behind() -> None:
    with one_thread_each(2):
        assert {os.environ[name] for name in THREADS} == {"1"}
    assert not any(name in os.environ for name in THREADS)


def test_what_the_user_said_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with one_thread_each(1):
        assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"


def test_more_threads_than_cores_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with one_thread_each(2):
            pass
    with pytest.warns(RuntimeWarning, match="take fewer processes"), one_thread_each(3):
        pass
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with pytest.warns(RuntimeWarning, match="unset OPENBLAS_NUM_THREADS"), one_thread_each(2):
        pass


def test_there_is_at_least_one_core() -> None:
    assert cores() >= 1
