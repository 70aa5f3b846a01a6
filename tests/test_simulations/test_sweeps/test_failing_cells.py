"""What becomes of a cell that raises or kills its worker, and of its neighbours?"""

import re
from pathlib import Path

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")

from simulations.sweeps import task as sweep_task
from simulations.sweeps import workers as sweep_workers
from simulations.sweeps.cells import Task
from simulations.sweeps.config import Sweep
from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import failures
from simulations.sweeps.store import Store
from simulations.sweeps.task import Readings
from simulations.sweeps.workers import Failure
from tests.test_simulations.helpers.sweeps import everything, same, small_sweep


class AwkwardError(Exception):
    """An error that cannot be sent from process to process."""

    def __init__(self, one: int, two: object) -> None:
        super().__init__(one)
        self.two = two


def awkward(sweep: Sweep, task: Task) -> Readings:
    raise AwkwardError(1, lambda: None)


def starving(sweep: Sweep, task: Task) -> Readings:
    raise MemoryError


def leaving(sweep: Sweep, task: Task) -> Readings:
    raise SystemExit(3)


@pytest.mark.parametrize("compute", [awkward, starving, leaving])
def test_whatever_a_cell_raises_is_noted(tmp_path: Path, compute: sweep_task.Compute) -> None:
    sweep = small_sweep(seeds={"count": 1}, run={"cells_per_task": 1})
    assert run_sweep(sweep, tmp_path / "s", workers=0, compute=compute) == Tally(4, 0, failed=4)
    assert all(
        re.match(r"\w+(Error|Exit):", note["error"])
        for note in failures(Store(tmp_path / "s")).values()
    )


def test_lost_neighbours_are_run_whole_again_and_only_a_lone_cell_is_blamed(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib
    from collections.abc import Iterator

    @contextlib.contextmanager
    def crowded(**_: object) -> Iterator[sweep_workers.RunTasks]:
        def run(orders):  # type: ignore[no-untyped-def]
            waiting = list(orders)
            poisoned = any(3 in o.task.seeds and o.task.cases[0].mask == "causal"
                           and any(c.stack.value_gain == 0.5 for c in o.task.cases)
                           for _, o in waiting)  # fmt: skip
            for tag, order in waiting:  # the poison takes all that wait along
                yield tag, Failure("lost", "died") if poisoned else sweep_workers.attempt(order)

        yield run

    monkeypatch.setattr("simulations.sweeps.run.task_results", crowded)
    tally = run_sweep(small_sweep(), tmp_path / "s", workers=0)
    assert tally == Tally(24, 23, failed=1)
    (note,) = failures(Store(tmp_path / "s")).values()
    assert (note["seed"], note["mask"]) == (3, "causal")
    whole, rest = everything(undisturbed), everything(tmp_path / "s")
    assert same(rest, {key: whole[key] for key in rest})
