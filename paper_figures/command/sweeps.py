"""The commands about sweeps: sweep, status, export."""

from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.command.terminal import Flag, complain, emit, err, out
from theory.arrays import InputError

if TYPE_CHECKING:  # a command's module is light
    from simulations.sweeps.config import Sweep
    from simulations.sweeps.run import Tally


def sweep(
    config: Path,
    *,
    store: Path,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: Flag = False,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Run every cell of a sweep that its store does not have yet; killed, start it again.

    Parameters
    ----------
    config
        A TOML file: axes, seeds, quantities, and what they run on.
    store
        The folder that keeps the cells; made if it is not there.
    workers
        Processes on this machine, one thread each, as many as it has cores unless you say;
        0 computes in this process.
    scheduler
        The address of a running Dask scheduler, in the place of workers here.
    retry_failed
        Try the cells again that failed before.
    dry_run
        Print how many cells there are, and about what they cost; run nothing, write nothing.
    json
        Print one JSON object and nothing else.
    """
    _require_libraries()
    from simulations.sweeps.config import read_sweep
    from simulations.sweeps.workers import default_workers, require_dask

    wanted = read_sweep(config)
    workers = default_workers(wanted.run) if workers is None else workers
    if dry_run:
        _show_cost(wanted, workers, title=config.name, json=json)
        return 0
    if workers or scheduler:
        require_dask()  # before anything is written
    tally = _run(
        wanted,
        store,
        wanted.name or config.stem,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry_failed,
    )
    found = {"cells": tally.cells, "done": tally.done, "failed": tally.failed}
    found |= {"missing": tally.missing, "corrupt": tally.corrupt}
    _show(found, title=str(store), json=json)
    return 0 if tally.done == tally.cells else 1


def _show_cost(wanted: "Sweep", workers: int, *, title: str, json: bool) -> None:
    """Print how many cells there are, and about what they cost."""
    from simulations.sweeps.cost import estimate
    from simulations.sweeps.expansion import expand

    cost = estimate(expand(wanted))
    seconds = cost.seconds / max(1, workers)
    rows = {"cells": cost.cells, "tasks": cost.tasks, "workers": workers}
    if json:
        emit({**rows, "hours": seconds / 3600, "disk_megabytes": cost.disk_bytes / 1e6})
    else:
        time = str(timedelta(seconds=ceil(seconds)))
        told = {**rows, "hours:minutes:seconds": time, "disk, MB": cost.disk_bytes / 1e6}
        _show(told, title=title, json=False)


def _run(wanted: "Sweep", store: Path, name: str, **how: Any) -> "Tally":
    """Run the sweep while a bar shows how many of its cells are there."""
    from rich import progress as bars

    from simulations.sweeps.run import run_sweep

    columns = (
        *(bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn()),
        *(bars.TimeElapsedColumn(), bars.TimeRemainingColumn()),
        bars.TextColumn("{task.fields[failed]} {task.fields[phase]}"),
    )
    with bars.Progress(
        *columns, console=err, transient=True, disable=not err.is_terminal
    ) as progress:
        bar = progress.add_task(name, total=None, failed="", phase="")

        def show(tally: "Tally") -> None:
            failed = f"{tally.failed} failed" if tally.failed else ""
            progress.update(bar, total=tally.cells, completed=tally.done, failed=failed)

        def tell(phase: str) -> None:
            progress.update(bar, phase=phase)

        return run_sweep(wanted, store, on_progress=show, on_phase=tell, **how)


def _show(found: dict[str, Any], *, title: str, json: bool) -> None:
    if json:
        emit(found)
    else:
        from simulations.reports.tables import pairs_table

        out.print(pairs_table(found.items(), title=title))


def status(store: Path, *, json: Flag = False) -> int:
    """Say how far a sweep is, or a training that a Tracker measures, and what went wrong in it.

    Of a sweep the cells kept, failed, missing and damaged; of a training its steps, and the last
    reading layer by layer.

    Parameters
    ----------
    store
        The folder of a sweep or of a training.
    json
        Print one JSON object and nothing else.
    """
    _require_libraries("safetensors")
    from simulations.sweeps.store import open_store

    opened = open_store(store)
    if opened.kind == "training":
        from paper_figures.command.training import show_training

        return show_training(store, json=json)
    _require_libraries()
    from simulations.sweeps.status import failures, sweep_status

    found = sweep_status(store)
    failed = failures(opened)
    if json:
        emit({**found.as_json(), "failures": failed})
    else:
        _show(found.as_json(), title=str(store), json=False)
        for key, failure in failed.items():
            out.print(f"{key}: {failure['error']}", markup=False)
    return 0 if found.tally.done == found.tally.cells else 1


def export(store: Path, file: Path, *, json: Flag = False) -> int:
    """Write a sweep's cells, or a training's readings, as one data set: netCDF or zarr.

    Parameters
    ----------
    store
        The folder of a sweep or of a training.
    file
        What to write; its ending says the format: .nc or .zarr.
    json
        Print one JSON object and nothing else.
    """
    _require_libraries()
    from simulations.sweeps.export import export_store

    lacking = export_store(store, file)
    if lacking:
        complain(f"{lacking} cells of {store} are not there, and NaN in {file}")
    if json:
        emit({"file": str(file), "lacking": lacking})
    else:
        out.print(str(file), soft_wrap=True)
    return 0


def _require_libraries(*names: str) -> None:
    """Refuse before anything else is said about the question."""
    import importlib.util

    wanted = names or ("pydantic", "safetensors")
    missing = [name for name in wanted if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(f"sweeps need {' and '.join(missing)}: pip install 'oversmooth[sweep]'")
