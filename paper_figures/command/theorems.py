"""The commands that put theorems, or one block, to the test: verify, check."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter
from rich.progress import Progress

from paper_figures.command.terminal import Json, app, emit, err, out
from simulations.instruments.block_file import read_block
from simulations.instruments.check import check_block
from simulations.machine.backends import backend as load_backend
from simulations.machine.threads import cores
from simulations.reports.tables import pairs_table
from simulations.reports.verdicts import verify_tables
from simulations.search.catalogue import verify as verify_statements
from simulations.search.counterexamples import write_counterexample
from simulations.search.keys import known
from simulations.search.theorem import DEFAULT_TRIALS, Report
from theory.arrays import InputError

_ROWS = {
    "subspace": "M of v and d_M",
    "rank": "its rank",
    "verdict": "d_M(output) <= v d_M(input)",
    "below_one": "v < 1 on these tokens only",
    "converges": "d_M -> 0, from any tokens",
    "alike": "d_M/|H| -> 0, from any tokens",
    "sup_v": "sup v, from some block on",
    "sup_after": "from which block on",
    "sup_form": "of which form of v",
    "law_subspace": "M of the law",
    "law_rank": "its rank, of the law",
    "law_consensus": "law of the distance to M of v",
}
"""What `check` calls its rows, where the key alone does not say it."""
_MANY = 10  # statements; with fewer, starting processes takes longer than they save


@app.command
def verify(
    *keys: str,
    trials: int = DEFAULT_TRIALS,
    seed: int = 0,
    workers: int | None = None,
    out_dir: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> int:
    """Try to refute every theorem and every trend, or the named ones.

    Parameters
    ----------
    keys
        Theorems and trends; all if none is named.
    trials
        Random instances for each theorem; a trend draws samples until it can decide.
    seed
        Chooses the instances.
    workers
        Processes; as many as there are cores, two at most, where many statements are tried.
    out_dir
        A folder for the counterexamples that were found, one JSON file each.
    json
        Print one JSON object and nothing else.
    """
    if out_dir is not None:
        try:
            out_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"out must be a folder that can be written, but: {error}") from error
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        names = list(dict.fromkeys(keys)) or known()
        task = progress.add_task("verify", total=len(names))
        finished = 0

        def show(key: str, done: int, total: int) -> None:
            nonlocal finished
            finished += done == total
            part = done / total if done < total else 0.0
            progress.update(task, description=key, completed=finished + part)

        if workers is None:
            workers = min(2, cores()) if len(names) >= _MANY else 1
        reports = verify_statements(
            names, trials=trials, seed=seed, workers=workers, on_progress=show
        )
    if out_dir is not None:
        for found in reports:
            if isinstance(found, Report) and found.counterexample is not None:
                write_counterexample(found.counterexample, out_dir / f"{found.key}.json")
    if json:
        emit({"theorems": [found.as_json() for found in reports]})
    else:
        for table in verify_tables(reports):
            out.print(table)
    return 0 if all(found.ok for found in reports) else 1


@app.command
def check(
    block: Path,
    *,
    backend: str = "numpy",
    device: str | None = None,
    dtype: Literal["float32", "float64"] = "float64",
    json: Json = False,
) -> int:
    """Put one block, given as arrays from any framework, through the block theorem.

    Parameters
    ----------
    block
        An .npz file: tokens, value_output, ffn_in, ffn_out, and adjacency or query and key.
    backend
        numpy, torch or cupy.
    device
        A device of that backend, such as cuda.
    dtype
        What the arrays are rounded to first; the verdicts are always computed in float64.
    json
        Print one JSON object and nothing else.
    """
    on = load_backend(backend, device=device, dtype=dtype)
    given = read_block(block)
    with np.errstate(all="ignore"):  # what leaves the range is refused, or does not apply, by name
        exact, tokens, adjacency, mask = map(on.move, given)
        try:
            found = check_block(exact, tokens, adjacency=adjacency, mask=mask)
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"the numbers of this block leave the range of {dtype}: {error}"
            ) from error
    if json:
        emit(found.as_dict())
    else:
        rows = ((_ROWS.get(name, name), value) for name, value in found.as_dict().items())
        out.print(pairs_table(rows, title=block.name))
    return 1 if found.verdict == "refuted" else 0
