"""Figure 1c: do deeper encoders gain, and do they gain more when their layers are fused?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.data import Dataset, Variable
from paper_figures.fusion_runs import facts, load_experiments
from paper_figures.reference import load
from simulations.fusion_recipe import FUSIONS


def compute(_settings: Settings) -> Dataset:
    """Return accuracy on digits by depth and fusion, and the paper's GLUE averages."""
    experiments = [x for x in load_experiments() if x.name.startswith("mnist-")]
    depths = np.asarray([x.runs[0]["recipe"]["depth"] for x in experiments])
    rows = [x.rows() for x in experiments]
    score = np.asarray([[row[fusion].score for row in rows] for fusion in FUSIONS])
    half = np.asarray([[row[fusion].half_width or 0.0 for row in rows] for fusion in FUSIONS])
    reference = load("fig1c")
    paper_depth, plain = reference.series("BERT")
    _, fused = reference.series("fusion")
    both = ("fusion", "depth")
    return Dataset(
        {
            "score": Variable(both, score, "accuracy on the test part, mean over seeds"),
            "half_width": Variable(both, half, "half of its 95 % interval over seeds"),
            "paper_baseline": Variable(("paper_depth",), plain, "average GLUE, BERT", "0.01"),
            "paper_fusion": Variable(("paper_depth",), fused, "average GLUE, fusion", "0.01"),
        },
        {
            "fusion": Variable(("fusion",), np.asarray(FUSIONS), "fusion"),
            "depth": Variable(("depth",), depths, "blocks"),
            "paper_depth": Variable(("paper_depth",), paper_depth, "blocks, in the paper"),
        },
        {
            "shallow": int(depths[0]),
            "deep": int(depths[-1]),
            "score_shallow": float(score[0, 0]),
            "score_deep": float(score[0, -1]),
            **facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that the deepest baseline is no better than the shallowest."""
    return bool(data["score"][0, -1] > data["score"][0, 0])


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw accuracy by depth with intervals, and the paper's curves beside it."""
    ours, paper = canvas.subplots(1, 2)
    for j, fusion in enumerate(data["fusion"]):
        at = data["depth"] + 0.25 * (j - 1.5)
        ours.errorbar(
            at, data["score"][j], yerr=data["half_width"][j], marker="os^D"[j], label=str(fusion)
        )
    ours.set(xlabel="blocks", ylabel="accuracy", title="digits, encoders from scratch")
    ours.set_xticks(data["depth"])
    ours.legend()
    for name, label in (("baseline", "BERT"), ("fusion", "fusion")):
        style = {"color": "0.2" if name == "baseline" else "0.55", "mfc": "white"}
        paper.plot(
            data["paper_depth"], data[f"paper_{name}"], "s--", label=f"{label} (paper)", **style
        )
    paper.set(xlabel="blocks", ylabel="average GLUE", title="paper, figure 1c")
    paper.set_xticks(data["paper_depth"])
    paper.legend()


FIGURE = Figure(
    name="fig1c",
    title="Score by depth (the paper\u2019s figure 1c)",
    caption=(
        "Small pre-LN encoders trained for a few epochs on 1000 digits do not gain from depth: the "
        "baseline has {score_shallow:.2f} with {shallow} blocks and {score_deep:.2f} with {deep} "
        "(bars: 95 % over {seeds} or more seeds; right: the paper\u2019s BERT); a higher mean with "
        "{deep} than with {shallow} would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.5),
)
