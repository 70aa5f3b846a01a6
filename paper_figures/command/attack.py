"""The commands that search for the worst instance of a theorem, and run a stored one again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from paper_figures.command.terminal import Flag, emit, err, out
from simulations.search.effort import DEFAULT_BUDGET

if TYPE_CHECKING:  # a command's module is light
    from simulations.search.adversary import Attack


def attack(
    key: str,
    *,
    budget: int = DEFAULT_BUDGET,
    seed: int = 0,
    out_file: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Flag = False,
) -> int:
    """Search for the instance that violates a theorem, or comes nearest to it.

    Parameters
    ----------
    key
        The theorem.
    budget
        How many instances to check.
    seed
        Chooses the starts and the steps.
    out_file
        A file for the instance that was found, as JSON: see replay.
    json
        Print one JSON object and nothing else.
    """
    from simulations.search.counterexamples import require_free, write_counterexample

    if out_file is not None:
        require_free(out_file)
    found = _attack(key, budget, seed)
    if out_file is not None and found.example is not None:
        write_counterexample(found.example, out_file)
    _show(found, key, json=json)
    return 0 if found.ok else 1


def _attack(key: str, budget: int, seed: int) -> "Attack":
    """Attack the theorem while a bar shows how far it is."""
    from rich.progress import Progress

    from simulations.search.adversary import attack as attack_theorem

    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("attack", total=budget)

        def show(name: str, done: int, total: int) -> None:
            progress.update(task, description=name, completed=done, total=total)

        return attack_theorem(key, budget=budget, seed=seed, on_progress=show)


def _show(found: "Attack", key: str, *, json: bool) -> None:
    from simulations.reports.tables import pairs_table
    from simulations.search.counterexamples import instance_json

    instance = None if found.example is None else instance_json(found.example)
    if json:
        emit({**found.as_json(), "instance": instance})
        return
    out.print(pairs_table(found.as_json().items(), title=key))
    if instance is not None:
        out.print(pairs_table(_readable(instance), title="the instance"))


def _readable(instance: dict[str, Any]) -> list[tuple[str, Any]]:
    """Name all sizes that are not zero in one row, and leave out arrays that are zero."""
    sizes = ", ".join(f"{name} {value}" for name, value in instance["sizes"].items() if value)
    numbers = {name: str(values) for name, values in instance["params"].items()}
    shown = [(name, text) for name, text in numbers.items() if set(text) & set("123456789")]
    hidden = ", ".join(name for name in numbers if name not in dict(shown))
    return [("sizes", sizes), *shown, *([("all zero", hidden)] if hidden else [])]


def replay(file: Path, *, certify: Flag = False, json: Flag = False) -> int:
    """Build a stored instance again and check it: 0 if what it claims still comes out.

    Parameters
    ----------
    file
        What ``attack --out`` or ``verify --out`` wrote.
    certify
        Build it in exact arithmetic too, enclose all rounding, and say what is certain then.
    json
        Print one JSON object and nothing else.
    """
    from simulations.reports.tables import pairs_table
    from simulations.reports.verdicts import certified_rows
    from simulations.search.counterexamples import certified, comes_out, read_counterexample
    from simulations.search.counterexamples import replay as replay_instance

    example = read_counterexample(file)
    verdict = replay_instance(example)
    certain = certified(example) if certify else None
    confirmed = comes_out(example, verdict, certain=certain)
    found = {
        "theorem": example.key,
        "claim": example.claim,
        "comes_out": confirmed,
        "status": verdict.status,
        "lhs": float(verdict.lhs),
        "rhs": float(verdict.rhs),
        "rounding": float(verdict.rounding),
        "lhs_stored": example.lhs,
        "rhs_stored": example.rhs,
    }
    if json:
        emit(found | ({} if certain is None else {"certified": certain.as_json()}))
    else:
        rows = [*found.items(), *certified_rows(certain)]
        out.print(pairs_table(rows, title=str(file.name)))
    return 0 if confirmed else 1
