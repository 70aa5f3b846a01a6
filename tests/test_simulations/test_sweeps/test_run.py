"""Does a sweep compute every cell once, whatever was there before, and change no number?"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")

from paper_figures.command.main import main
from simulations.engine.surveys import survey
from simulations.sweeps.cells import Task
from simulations.sweeps.cost import estimate
from simulations.sweeps.dataset import read_store
from simulations.sweeps.expansion import expand
from simulations.sweeps.export import export_store
from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import failures, sweep_status
from simulations.sweeps.store import Store, stored_keys
from simulations.sweeps.task import compute_task
from tests.test_simulations.helpers.sweeps import everything, raising, same, small_sweep
from theory.arrays import InputError


def test_cells_hold_what_the_engine_reads(undisturbed: Path) -> None:
    sweep = small_sweep()
    grid, stored = expand(sweep), everything(undisturbed)
    for case in grid.cases:
        if case.mask != "full":
            continue
        wanted = [name for name in sweep.quantities if name != "law"]
        found = survey([case.stack], seeds=grid.seeds, quantities=wanted)
        for i, key in enumerate(grid.keys_of(case, grid.seeds)):
            cell = stored[key]
            np.testing.assert_array_equal(
                cell["tokens/distance"], found.tokens["distance"][:, 0, i]
            )


def test_a_second_run_does_nothing(undisturbed: Path) -> None:
    def never(*_: object) -> dict[str, np.ndarray]:
        raise AssertionError("a cell was computed again")

    assert run_sweep(small_sweep(), undisturbed, workers=0, compute=never).done == 24


def test_missing_cells_are_done_with_the_same_numbers(undisturbed: Path, tmp_path: Path) -> None:
    run_sweep(small_sweep(), tmp_path / "s", workers=0)
    store = Store(tmp_path / "s")
    for key in sorted(stored_keys(store))[::3]:
        store.cell_path(key).unlink()
    assert sweep_status(store.root).tally.missing == 8
    run_sweep(small_sweep(), store.root, workers=0)
    assert same(everything(store.root), everything(undisturbed))


def test_a_flipped_bit_in_any_cell_is_put_aside_and_done_again(
    undisturbed: Path, tmp_path: Path
) -> None:
    run_sweep(small_sweep(), tmp_path / "s", workers=0)
    store = Store(tmp_path / "s")
    for i, key in enumerate(sorted(stored_keys(store))):
        content = bytearray(store.cell_path(key).read_bytes())
        content[(i * 97) % len(content)] ^= 1 << i % 8
        store.cell_path(key).write_bytes(bytes(content))
    assert sweep_status(store.root).tally == Tally(24, done=0, corrupt=24)
    assert run_sweep(small_sweep(), store.root, workers=0) == Tally(24, done=24, corrupt=24)
    assert same(everything(store.root), everything(undisturbed))
    assert len(list((store.root / "corrupt").iterdir())) == 24


def test_more_fewer_or_reordered_cells_change_no_number(undisturbed: Path, tmp_path: Path) -> None:
    changed = small_sweep(
        axes={"mask": ["causal"], "value_gain": [2.0, 1.0]}, seeds={"first": 3, "count": 5}
    )
    run_sweep(changed, tmp_path / "s", workers=0)
    before, after = everything(undisturbed), everything(tmp_path / "s")
    common = before.keys() & after.keys()
    assert len(common) == 3
    assert same({k: before[k] for k in common}, {k: after[k] for k in common})


def test_a_cell_that_raises_is_noted_with_its_traceback_and_tried_again_on_request(
    undisturbed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "s"
    assert run_sweep(small_sweep(), root, workers=0, compute=raising) == Tally(24, 23, failed=1)
    (failure,) = failures(Store(root)).values()
    assert "ZeroDivisionError: poison" in failure["traceback"]
    assert failure["seed"] == 3
    assert run_sweep(small_sweep(), root, workers=0).failed == 1
    assert run_sweep(small_sweep(), root, workers=0, retry_failed=True) == Tally(24, 24)
    assert same(everything(root), everything(undisturbed))


def test_stopping_keeps_what_is_done(undisturbed: Path, tmp_path: Path) -> None:
    def stop(tally: Tally) -> None:
        if tally.done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(small_sweep(), tmp_path / "s", workers=0, on_progress=stop)
    status = sweep_status(tmp_path / "s")
    assert (status.tally.done, status.running) == (6, False)
    run_sweep(small_sweep(), tmp_path / "s", workers=0)
    assert same(everything(tmp_path / "s"), everything(undisturbed))


def test_a_store_of_another_sweep_is_refused(undisturbed: Path) -> None:
    with pytest.raises(InputError, match="differs in seeds"):
        run_sweep(small_sweep(seeds={"count": 7}), undisturbed, workers=0)


def test_tasks_hold_every_cell_once_and_no_more_than_asked() -> None:
    sweep = small_sweep(
        axes={"tokens": [3, 4], "tau": {"logspace": [0.5, 2.0, 5]}},
        stack={"width": 4, "heads": 2},
        run={"cells_per_task": 4},
    )
    grid = expand(sweep)
    cells = [key for task in grid.tasks for key in grid.task_keys(task)]
    assert len(cells) == len(set(cells)) == grid.size == 2 * 5 * 6
    assert set(cells) == grid.keys()
    assert max(task.size for task in grid.tasks) <= 4


def test_a_cell_alone_has_the_numbers_it_has_in_its_task() -> None:
    sweep = small_sweep()
    for task in expand(sweep).tasks:
        together = compute_task(sweep, task)
        for i, (case, seed) in enumerate(task.cells()):
            alone = compute_task(sweep, replace(task, cases=(case,), seeds=range(seed, seed + 1)))
            at = divmod(i, len(task.seeds))
            for name, values in together.items():
                np.testing.assert_array_equal(values[(slice(None), *at)], alone[name][:, 0, 0])


def test_a_store_is_read_with_labels_and_gaps(undisturbed: Path, tmp_path: Path) -> None:
    run_sweep(small_sweep(), tmp_path / "s", workers=0, compute=raising)
    gaps, whole = read_store(tmp_path / "s"), read_store(undisturbed)
    at = {"value_gain": 0.5, "mask": "causal", "seed": 3}
    assert not gaps["complete"].sel(at)
    assert int(gaps["complete"].sum()) == 23
    assert np.isnan(gaps["distance"].sel(at)).all()
    assert (gaps["distance_noise"].sel(at) == -1).all()
    assert whole["distance"].dims == ("value_gain", "mask", "seed", "layer")
    assert whole["v"].dims == ("value_gain", "mask", "seed", "block")
    assert whole["distance"].attrs["long_name"]


@pytest.mark.parametrize("name", ["out.nc", "out.zarr"])
def test_an_export_reads_back_the_same(undisturbed: Path, tmp_path: Path, name: str) -> None:
    xarray = pytest.importorskip("xarray")
    engine = {"out.nc": "h5netcdf", "out.zarr": "zarr"}[name]
    pytest.importorskip(engine)
    out = tmp_path / name
    assert export_store(undisturbed, out) == 0
    options = {"consolidated": False} if engine == "zarr" else {}
    with xarray.open_dataset(out, engine=engine, **options) as found:
        xarray.testing.assert_equal(found.load(), read_store(undisturbed))
    with pytest.raises(InputError, match="nothing is overwritten"):
        export_store(undisturbed, out)


def test_an_export_says_how_many_cells_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("h5netcdf")
    run_sweep(small_sweep(), tmp_path / "s", workers=0)
    store = Store(tmp_path / "s")
    for key in sorted(stored_keys(store))[:3]:
        store.cell_path(key).unlink()
    assert main(["export", str(store.root), str(tmp_path / "out.nc"), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["lacking"] == 3
    assert "3 cells" in said.err


def test_another_ending_is_refused(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.nc or \.zarr"):
        export_store(undisturbed, tmp_path / "out.csv")


def test_the_estimate_counts_the_cells_and_about_the_disk(undisturbed: Path) -> None:
    cost = estimate(expand(small_sweep()))
    assert (cost.cells, cost.tasks) == (24, 4)
    assert cost.seconds > 0
    used = sum(-(-p.stat().st_size // 4096) * 4096 for p in undisturbed.rglob("cells/*/*"))
    assert 0.5 < cost.disk_bytes / used < 2


def test_workers_must_be_a_number_that_can_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers must be"):
        run_sweep(small_sweep(), tmp_path / "s", workers=-1)
    assert not (tmp_path / "s").exists()


def test_tasks_do_not_depend_on_what_is_missing() -> None:
    first, second = expand(small_sweep()).tasks, expand(small_sweep()).tasks
    assert first == second
    assert all(isinstance(task, Task) for task in first)
