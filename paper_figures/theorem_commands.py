"""The commands that put theorems, or one block, to the test: verify, check."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.progress import Progress

from paper_figures.terminal import Json, app, emit, err, out
from simulations import report
from simulations.backends import backend as load_backend
from simulations.block_file import read_block
from simulations.check import check_block
from simulations.counterexamples import write_counterexample
from simulations.verify import DEFAULT_TRIALS
from simulations.verify import verify as verify_theorems
from theory.arrays import InputError


@app.command
def verify(
    *keys: str,
    trials: int = DEFAULT_TRIALS,
    seed: int = 0,
    out_dir: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> int:
    """Try to refute every theorem, or the named ones.

    Parameters
    ----------
    keys
        Theorems; all if none is named.
    trials
        Random instances for each theorem.
    seed
        Chooses the instances.
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
        task = progress.add_task("verify")

        def show(key: str, done: int, total: int) -> None:
            progress.update(task, description=key, completed=done, total=total)

        reports = verify_theorems(keys or None, trials=trials, seed=seed, on_progress=show)
    if out_dir is not None:
        for found in reports:
            if found.counterexample is not None:
                write_counterexample(found.counterexample, out_dir / f"{found.key}.json")
    if json:
        emit({"theorems": [found.as_json() for found in reports]})
    else:
        out.print(report.verify_table(reports))
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
    arrays = map(on.move, read_block(block))
    exact, tokens, adjacency, mask = arrays
    found = check_block(exact, tokens, adjacency=adjacency, mask=mask)
    if json:
        emit(found.as_dict())
    else:
        names = {"verdict": "d_M(output) <= v d_M(input)", "converges": "convergence, v < 1"}
        rows = ((names.get(name, name), value) for name, value in found.as_dict().items())
        out.print(report.pairs_table(rows, title=block.name))
    return 1 if found.verdict == "refuted" else 0
