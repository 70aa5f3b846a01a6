"""Table 2's question: does fusing the layers give a better score than the last one alone?"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.data import Dataset, Variable
from paper_figures.fusion_runs import facts, load_experiments
from paper_figures.reference import load
from simulations.fusion_recipe import FUSIONS

FUSED = tuple(fusion for fusion in FUSIONS if fusion != "baseline")


def compute(_: Settings) -> Dataset:
    """Return gains over the baseline, paired by seed, and the paper's, in percentage points."""
    experiments = load_experiments()
    shape = (len(experiments), len(FUSED))
    gain, half = np.full(shape, np.nan), np.full(shape, np.nan)
    score, score_half = np.full(len(experiments), np.nan), np.full(len(experiments), np.nan)
    for i, experiment in enumerate(experiments):
        rows = experiment.rows()
        score[i], score_half[i] = rows["baseline"].score, rows["baseline"].half_width or np.nan
        for j, fusion in enumerate(FUSED):
            if fusion in rows:
                row = rows[fusion]
                gain[i, j] = 100 * (np.nan if row.gain is None else row.gain)
                half[i, j] = 100 * (row.gain_half_width or 0.0)
    paper = [_paper_gain(fusion) for fusion in FUSED]
    both = ("experiment", "fusion")
    return Dataset(
        {
            "gain": Variable(both, gain, "score minus baseline's, mean over seeds", "0.01"),
            "half_width": Variable(both, half, "half of its 95 % interval over seeds", "0.01"),
            "baseline": Variable(("experiment",), score, "baseline's mean score"),
            "baseline_half": Variable(("experiment",), score_half, "half of its 95 % interval"),
            "paper": Variable(("fusion",), np.asarray(paper), "gain in table 2's average", "0.01"),
        },
        {
            "experiment": Variable(
                ("experiment",), np.asarray([x.label for x in experiments]), "data and encoder"
            ),
            "fusion": Variable(("fusion",), np.asarray(FUSED), "fusion"),
        },
        {
            "lowest": float(np.nanmin(gain)),
            "highest": float(np.nanmax(gain)),
            **facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that no fusion is better on every data set."""
    better = (data["gain"] - data["half_width"] > 0) | np.isnan(data["gain"])
    return bool(better.all(axis=0).any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the gains with intervals, one row a data set, and the paper's in the last one."""
    axes = canvas.subplots()
    labels = [
        f"{label} ({score:.2f})"
        for label, score in zip(data["experiment"], data["baseline"], strict=True)
    ]
    rows = np.arange(len(labels))
    axes.axvline(0, color="0.7", lw=0.8)
    for j, fusion in enumerate(data["fusion"]):
        shift = 0.22 * (j - 1)
        style: dict[str, Any] = {"color": f"C{j}", "marker": "os^"[j]}
        axes.errorbar(
            data["gain"][:, j], rows + shift, xerr=data["half_width"][:, j], ls="", lw=1,
            label=str(fusion), **style,
        )  # fmt: skip
        axes.plot(data["paper"][j], len(labels) + shift, ls="", mfc="white", **style)
    axes.set_yticks([*rows, len(labels)], [*labels, "paper: GLUE average (83.8)"])
    axes.invert_yaxis()
    axes.set(xlabel="score minus baseline's, percentage points")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _paper_gain(fusion: str) -> float:
    table = {(row.series, row.x): row.value for row in load("table2").rows}
    return table[f"BERT {fusion}", "average"] - table["BERT", "average"]


FIGURE = Figure(
    name="fusion_score",
    title="Score with fused layers, beside the paper\u2019s table 2",
    caption=(
        "Over {seeds} or more paired seeds of small, short trainings, fusion changes the score "
        "(in brackets: the baseline\u2019s) by {lowest:.1f} to {highest:.1f} points, and no fusion "
        "is better everywhere (bars: 95 % over seeds; open: the paper\u2019s gains with BERT); one "
        "whose bar lies above zero on every data set would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 3.0),
)
