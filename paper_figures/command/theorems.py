"""The commands that put theorems, or one block, to the test: verify, check."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter

from paper_figures.command.terminal import Flag, emit, err, out
from simulations.search.effort import DEFAULT_TRIALS
from theory.arrays import InputError

if TYPE_CHECKING:  # a command's module is light
    from simulations.instruments.check import BlockReport
    from simulations.machine.backends import Backend
    from simulations.search.theorem import Report
    from simulations.search.trend import TrendReport

    _Reports: TypeAlias = list[Report | TrendReport]

_ROWS = {
    "subspace": "M of v and d_M",
    "rank": "its rank",
    "verdict": "d_M(output) <= v d_M(input)",
    "diameter_verdict": "diam(output) <= v_diameter diam(input)",
    "smallest": "the smallest bound",
    "smallest_but_saturation": "the same without saturation",
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


def verify(
    *keys: str,
    trials: int = DEFAULT_TRIALS,
    seed: int = 0,
    workers: int | None = None,
    out_dir: Annotated[Path | None, Parameter(name="--out")] = None,
    certify: Flag = False,
    json: Flag = False,
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
    certify
        Say what is certain, all rounding enclosed, of each theorem's first draws; trends have none.
    json
        Print one JSON object and nothing else.
    """
    if out_dir is not None:
        _make(out_dir)
    reports = _verify(keys, trials, seed, workers, certify=certify)
    if out_dir is not None:
        _write_counterexamples(reports, out_dir)
    if json:
        emit({"theorems": [found.as_json() for found in reports]})
    else:
        from simulations.reports.verdicts import verify_tables

        for table in verify_tables(reports):
            out.print(table)
    return 0 if all(found.ok for found in reports) else 1


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out must be a folder that can be written, but: {error}") from error


def _verify(
    keys: Iterable[str], trials: int, seed: int, workers: int | None, *, certify: bool
) -> "_Reports":
    """Try the statements while a bar shows how many are done."""
    from rich.progress import Progress

    from simulations.machine.threads import cores
    from simulations.search.catalogue import verify as verify_statements
    from simulations.search.keys import known

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
        return verify_statements(
            names, trials=trials, seed=seed, workers=workers, certify=certify, on_progress=show
        )


def _write_counterexamples(reports: "_Reports", folder: Path) -> None:
    from simulations.search.counterexamples import write_counterexample
    from simulations.search.theorem import Report

    for found in reports:
        if isinstance(found, Report) and found.counterexample is not None:
            write_counterexample(found.counterexample, folder / f"{found.key}.json")


def check(
    block: Path,
    *,
    backend: str = "numpy",
    device: str | None = None,
    dtype: Literal["float32", "float64"] = "float64",
    certify: Flag = False,
    json: Flag = False,
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
    certify
        Enclose all rounding as well, and say whether the verdict is certain.
    json
        Print one JSON object and nothing else.
    """
    from simulations.machine.backends import backend as load_backend

    on = load_backend(backend, device=device, dtype=dtype)
    found = _check(block, on, dtype, certify=certify)
    if json:
        emit(found.as_dict())
    else:
        from simulations.reports.tables import pairs_table
        from simulations.reports.verdicts import certified_rows

        values = found.as_dict().items()
        rows = [(_ROWS.get(name, name), value) for name, value in values if name != "certified"]
        out.print(pairs_table([*rows, *certified_rows(found.certified)], title=block.name))
    return 1 if "refuted" in found.verdicts else 0


def _check(file: Path, on: "Backend", dtype: str, *, certify: bool) -> "BlockReport":
    import numpy as np

    from simulations.instruments.block_file import read_block
    from simulations.instruments.check import check_block

    given = read_block(file)
    with np.errstate(all="ignore"):  # what leaves the range is refused, or does not apply, by name
        exact, tokens, adjacency, mask = map(on.move, given)
        try:
            return check_block(exact, tokens, adjacency=adjacency, mask=mask, certify=certify)
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"the numbers of this block leave the range of {dtype}: {error}"
            ) from error
