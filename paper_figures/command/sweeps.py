"""The commands about sweeps: sweep, status, export."""

from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from paper_figures.command.terminal import Json, app, complain, emit, err, out
from simulations.reports.tables import pairs_table
from theory.arrays import InputError


@app.command
def sweep(
    config: Path,
    *,
    store: Path,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    json: Json = False,
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
    from simulations.sweeps.expansion import expand
    from simulations.sweeps.run import Tally, run_sweep
    from simulations.sweeps.workers import default_workers, require_dask

    wanted = read_sweep(config)
    workers = default_workers(wanted.run) if workers is None else workers
    if dry_run:
        from simulations.sweeps.cost import estimate

        cost = estimate(expand(wanted))
        seconds = cost.seconds / max(1, workers)
        rows = {"cells": cost.cells, "tasks": cost.tasks, "workers": workers}
        if json:
            emit({**rows, "hours": seconds / 3600, "disk_megabytes": cost.disk_bytes / 1e6})
        else:
            time = str(timedelta(seconds=ceil(seconds)))
            told = {**rows, "hours:minutes:seconds": time, "disk, MB": cost.disk_bytes / 1e6}
            out.print(pairs_table(told.items(), title=config.name))
        return 0
    if workers or scheduler:
        require_dask()  # before anything is written
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[failed]}")),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task(wanted.name or config.stem, total=None, failed="")

        def show(tally: Tally) -> None:
            failed = f"{tally.failed} failed" if tally.failed else ""
            progress.update(bar, total=tally.cells, completed=tally.done, failed=failed)

        tally = run_sweep(
            wanted,
            store,
            workers=workers,
            scheduler=scheduler,
            retry_failed=retry_failed,
            on_progress=show,
        )
    found = {"cells": tally.cells, "done": tally.done, "failed": tally.failed}
    found |= {"missing": tally.missing, "corrupt": tally.corrupt}
    emit(found) if json else out.print(pairs_table(found.items(), title=str(store)))
    return 0 if tally.done == tally.cells else 1


@app.command
def status(store: Path, *, json: Json = False) -> int:
    """Say how far a sweep is: cells kept, failed, missing, damaged, and why some failed.

    Parameters
    ----------
    store
        The folder of a sweep.
    json
        Print one JSON object and nothing else.
    """
    _require_libraries()
    from simulations.sweeps.status import failures, sweep_status
    from simulations.sweeps.store import open_store

    found = sweep_status(store)
    failed = failures(open_store(store))
    if json:
        emit({**found.as_json(), "failures": failed})
    else:
        out.print(pairs_table(found.as_json().items(), title=str(store)))
        for key, failure in failed.items():
            out.print(f"{key}: {failure['error']}", markup=False)
    return 0 if found.tally.done == found.tally.cells else 1


@app.command
def export(store: Path, file: Path, *, json: Json = False) -> int:
    """Write a sweep's cells as one labelled data set: netCDF (.nc) or zarr (.zarr).

    Parameters
    ----------
    store
        The folder of a sweep.
    file
        What to write; its ending says the format.
    json
        Print one JSON object and nothing else.
    """
    _require_libraries()
    from simulations.sweeps.export import export_store

    lacking = export_store(store, file)
    if lacking:
        complain(f"{lacking} cells of {store} are not there yet, and NaN in {file}")
    if json:
        emit({"file": str(file), "lacking": lacking})
    else:
        out.print(str(file), soft_wrap=True)
    return 0


def _require_libraries() -> None:
    """Refuse before anything else is said about the question."""
    import importlib.util

    missing = [name for name in ("pydantic", "safetensors") if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(f"sweeps need {' and '.join(missing)}: pip install 'oversmooth[sweep]'")
