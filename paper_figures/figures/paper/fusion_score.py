"""Tables 2 and 3: does fusing the layers give a better score than the last one alone?"""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.fusion_runs import fusion_facts, load_experiments
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.reference import load_reference
from simulations.fusion.recipe import FUSIONS
from simulations.fusion.scores import over_seeds

_FUSED = tuple(fusion for fusion in FUSIONS if fusion != "baseline")
_PAPER = {"GLUE, BERT": ("table2", "BERT"), "GLUE, ALBERT": ("table2", "ALBERT"),
          "SWAG and SQuAD, BERT": ("table3", "BERT")}  # fmt: skip


def compute(_: Settings) -> Dataset:
    """Return scores, and gains over the baseline paired by seed, all in percentage points."""
    experiments = load_experiments()
    shape = (len(experiments), len(FUSIONS))
    names = ("score", "score_half", "gain", "gain_half", "cosine_last", "cosine_fused")
    comparisons = sum(len(x.fusions) - 1 for x in experiments)
    joint = np.full(shape, np.nan)
    found = {name: np.full(shape, np.nan) for name in names}
    seeds = np.zeros(shape, dtype=int)
    for i, experiment in enumerate(experiments):
        for fusion, row in experiment.rows().items():
            at = i, FUSIONS.index(fusion)
            seeds[at] = row.seeds
            points = (row.score, row.half_width, row.gain, row.gain_half_width)
            told = [math.nan if value is None else 100 * value for value in points]
            for name, value in zip(names, (*told, row.cosine_last, row.cosine_fused), strict=True):
                found[name][at] = value
            gains = experiment.values(fusion, "score") - experiment.values("baseline", "score")
            if fusion != "baseline" and row.seeds > 1:  # nothing is random where all seeds agree
                joint[at] = np.nan_to_num(100 * over_seeds(gains, comparisons=comparisons)[1])
    both = ("experiment", "fusion")
    half = "half of its 95 % interval over seeds"
    gain = found["gain"]
    paper = np.asarray([[_mean(*key, fusion) for fusion in FUSIONS] for key in _PAPER.values()])
    return Dataset(
        {
            "score": Variable(both, found["score"], "score, mean over seeds", "%"),
            "score_half": Variable(both, found["score_half"], half, "%"),
            "gain": Variable(both, gain, "score minus the baseline's, mean over seeds", "%"),
            "gain_half": Variable(both, found["gain_half"], half, "%"),
            "gain_joint": Variable(both, joint, f"{half}, all together; 0 if all agree", "%"),
            "cosine_last": Variable(both, found["cosine_last"], "CosSim of the last layer, mean"),
            "cosine_fused": Variable(both, found["cosine_fused"], "CosSim of F, mean"),
            "seeds": Variable(both, seeds, "seeds"),
            "paper_score": Variable(("table", "fusion"), paper, "mean score, tables 2 and 3", "%"),
            "paper_gain": Variable(
                ("table", "fusion"), paper - paper[:, :1], "minus the baseline's", "%"
            ),
        },
        {
            "experiment": Variable(
                ("experiment",), np.asarray([x.label for x in experiments]), "data and encoder"
            ),
            "fusion": Variable(("fusion",), np.asarray(FUSIONS), "fusion"),
            "table": Variable(("table",), np.asarray(list(_PAPER)), "tasks and model, paper"),
        },
        {
            "lowest": float(np.nanmin(gain)),
            "highest": float(np.nanmax(gain)),
            "comparisons": comparisons,
            "better": int((gain - joint > 0).sum()),
            "worse": int((gain + joint < 0).sum()),
            **fusion_facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that no fusion is clearly better wherever it was tried."""
    gain = data["gain"][:, 1:]
    better = (gain - data["gain_joint"][:, 1:] > 0) | np.isnan(gain)
    return bool(better.all(axis=0).any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the gains with intervals, one row a data set, and the paper's in the last ones."""
    axes = canvas.subplots()
    count = len(data["experiment"])
    labels = [
        f"{label} ({score:.1f})"
        for label, score in (
            *zip(data["experiment"], data["score"][:, 0], strict=True),
            *zip(data["table"], data["paper_score"][:, 0], strict=True),
        )
    ]
    labels[count:] = [f"paper: {label}" for label in labels[count:]]
    rows = np.arange(len(labels))
    axes.axvline(0, color="0.7", lw=0.8)
    axes.axhline(count - 0.5, color="0.7", lw=0.8)
    for j, fusion in enumerate(data["fusion"]):
        if fusion == "baseline":
            continue
        shift = 0.24 * (j - 2)
        style: dict[str, Any] = {"color": f"C{j}", "marker": "os^D"[j], "ls": ""}
        axes.errorbar(
            data["gain"][:, j], rows[:count] + shift, xerr=data["gain_half"][:, j], lw=1,
            label=str(fusion), **style,
        )  # fmt: skip
        axes.plot(data["paper_gain"][:, j], rows[count:] + shift, mfc="white", **style)
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set(xlabel="score minus the baseline\u2019s, percentage points")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _mean(table: str, model: str, fusion: str) -> float:
    """Return the printed average of table 2, or the mean of table 3's five scores."""
    series = model if fusion == "baseline" else f"{model} {fusion}"
    rows = {row.x: row.value for row in load_reference(table).rows if row.series == series}
    return rows["average"] if "average" in rows else float(np.mean(list(rows.values())))


FIGURE = Figure(
    name="fusion_score",
    title="Score with fused layers, beside the paper\u2019s tables 2 and 3",
    caption=(
        "Over {seeds} or more paired seeds of small trainings, fusion changes the score (in "
        "brackets: the baseline\u2019s) by {lowest:.1f} to {highest:.1f} points: {better} of "
        "{comparisons} changes are clear of zero upwards and {worse} downwards, all taken together "
        "(bars: 95 % each over seeds, not over test items, none where all seeds agree; open: the "
        "paper), and no fusion is clearly better wherever it was tried; one that is would refute "
        "it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.4),
    seconds=1,
)
