"""How does `status` show the readings of a model that trains?"""

from dataclasses import asdict
from pathlib import Path

from paper_figures.command.terminal import emit, out
from simulations.instruments.trace import Trace
from simulations.reports.tables import pairs_table
from simulations.reports.traces import reading, trace_json, trace_tables
from simulations.sweeps.training import Course, read_course, training_status


def show_training(store: Path, *, json: bool) -> int:
    """Print how far a training is, and its last reading; 1 if readings lack, as far as known."""
    course = read_course(store)
    status = training_status(course)
    last = _last(course)
    if json:
        found = asdict(status) | {"errors": {str(step): why for step, why in course.errors.items()}}
        emit(found | ({} if last is None else {"last": trace_json(last)}))
    else:
        out.print(pairs_table(asdict(status).items(), title=str(store)))
        for step, why in course.errors.items():
            out.print(f"step {step}: {why}", markup=False)
        if last is not None:
            title = f"{course.manifest['model']}, step {status.last_step}"
            out.print(*trace_tables(last, title=title, width=out.width))
            out.print(reading(last), soft_wrap=True, highlight=False)
    return 0 if status.finished else 1


def _last(course: Course) -> Trace | None:
    if not course.readings:
        return None
    arrays, header = course.readings[max(course.readings)]
    tokens, blocks = (
        {name.partition("/")[2]: values for name, values in arrays.items() if name.startswith(kind)}
        for kind in ("tokens", "blocks")
    )
    return Trace(tokens, blocks, reasons=tuple(header["reasons"]))
