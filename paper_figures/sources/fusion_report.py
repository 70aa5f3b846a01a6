"""What do the stored fusion runs say in one table? docs/fusion.md holds what this prints."""

import sys
from collections.abc import Iterable

from paper_figures.sources.fusion_runs import FusionExperiment, load_experiments
from simulations.fusion.scores import FusionScore

_HEAD = (
    "| data, encoder | fusion | seeds | score | gain over the baseline | CosSim, last layer | F |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


def table(experiments: Iterable[FusionExperiment]) -> str:
    """Return a Markdown table: a row for each experiment and fusion, intervals at 95 %."""
    lines = [*_HEAD]
    for experiment in experiments:
        rows = experiment.rows()
        lines += [_line(experiment.label, rows[fusion]) for fusion in rows]
    return "\n".join(lines)


def _line(label: str, row: FusionScore) -> str:
    gain = "" if row.gain is None else _points(row.gain, row.gain_half_width, sign="+")
    cells = (
        label,
        row.fusion,
        str(row.seeds),
        _points(row.score, row.half_width),
        gain,
        f"{row.cosine_last:.3f}",
        f"{row.cosine_fused:.3f}",
    )
    return f"| {' | '.join(cells)} |"


def _points(value: float, half: float | None, *, sign: str = "") -> str:
    """Return percentage points with their interval."""
    return f"{100 * value:{sign}.1f}" + ("" if half is None else f" ± {100 * half:.1f}")


if __name__ == "__main__":
    sys.stdout.write(f"{table(load_experiments())}\n")
