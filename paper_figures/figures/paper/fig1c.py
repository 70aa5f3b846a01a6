"""Figure 1c: do deeper encoders gain, and do they gain more when their layers are fused?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.fusion_runs import fusion_facts, load_experiments, say
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.reference import load_reference
from simulations.fusion.recipe import FUSIONS
from simulations.fusion.scores import over_seeds
from theory.arrays import InputError


def compute(_settings: Settings) -> Dataset:
    """Return accuracy by depth and fusion of encoders from scratch, and the paper's averages."""
    experiments = [x for x in load_experiments() if x.from_scratch]
    if len(experiments) < 2:
        raise InputError("fig1c needs stored runs from scratch of two depths; oversmooth fuse")
    experiments.sort(key=lambda x: x.depth)
    depths = np.asarray([x.depth for x in experiments])
    fusions = [fusion for fusion in FUSIONS if all(fusion in x.fusions for x in experiments)]
    shape = (len(fusions), len(depths))
    names = ("score", "half_width", "gain", "gain_half")
    found = {name: np.full(shape, np.nan) for name in names}
    joint = np.full(shape, np.nan)
    for i, fusion in enumerate(fusions):
        for j, experiment in enumerate(experiments):
            scores = 100 * experiment.values(fusion, "score")
            plain = 100 * experiment.values("baseline", "score")
            found["score"][i, j], found["half_width"][i, j] = over_seeds(scores)
            found["gain"][i, j], found["gain_half"][i, j] = over_seeds(scores - plain)
            comparisons = (len(fusions) - 1) * len(depths)
            joint[i, j] = over_seeds(scores - plain, comparisons=comparisons)[1]
    reference = load_reference("fig1c")
    paper_depth, plain = reference.series("BERT")
    _, fused = reference.series("fusion")
    both = ("fusion", "depth")
    half = "half of its 95 % interval over seeds"
    clear = found["gain"] - joint > 0
    shallow, deep = experiments[0], experiments[-1]
    means, halves = over_seeds(
        100
        * np.stack([deep.values(f, "score") - shallow.values(f, "score") for f in fusions], axis=1)
    )
    return Dataset(
        {
            "score": Variable(both, found["score"], "accuracy on the test part, mean", "%"),
            "half_width": Variable(both, found["half_width"], half, "%"),
            "deeper": Variable(("fusion",), means, "deepest minus shallowest, paired", "%"),
            "deeper_half": Variable(("fusion",), halves, half, "%"),
            "gain": Variable(both, found["gain"], "minus the baseline's, paired by seed", "%"),
            "gain_half": Variable(both, found["gain_half"], half, "%"),
            "paper_baseline": Variable(("paper_depth",), plain, "average GLUE, BERT", "%"),
            "paper_fusion": Variable(("paper_depth",), fused, "average GLUE, fusion", "%"),
        },
        {
            "fusion": Variable(("fusion",), np.asarray(fusions), "fusion"),
            "depth": Variable(("depth",), depths, "blocks"),
            "paper_depth": Variable(("paper_depth",), paper_depth, "blocks, in the paper"),
        },
        {
            "shallow": int(depths[0]),
            "deep": int(depths[-1]),
            "fused": fusions[-1],
            "deeper_plain": say(means[0], halves[0]),
            "deeper_fused": say(means[-1], halves[-1]),
            "gain_deep": say(found["gain"][-1, -1], found["gain_half"][-1, -1]),
            "clear": int(clear[1:].sum()),
            "comparisons": int(clear[1:].size),
            **fusion_facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that depth does not clearly pay without fusion."""
    return bool(data["deeper"][0] - data["deeper_half"][0] > 0)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw accuracy by depth with intervals, and the paper's curves beside it."""
    ours, paper = canvas.subplots(1, 2)
    for j, fusion in enumerate(data["fusion"]):
        at = data["depth"] + 0.3 * (j - (len(data["fusion"]) - 1) / 2)
        color = f"C{FUSIONS.index(fusion)}"
        ours.errorbar(
            at, data["score"][j], yerr=data["half_width"][j], label=str(fusion),
            color=color, marker="os^D"[FUSIONS.index(fusion)],
        )  # fmt: skip
    ours.set(xlabel="blocks", ylabel="accuracy, %", title="here: encoders from scratch")
    ours.set_xticks(data["depth"])
    ours.legend(loc="upper left", bbox_to_anchor=(0.61, 1.0))
    for name, label, marker, color in (
        ("baseline", "BERT", "o", "C0"),
        ("fusion", "fusion", "D", f"C{FUSIONS.index('gate')}"),
    ):
        paper.plot(
            data["paper_depth"], data[f"paper_{name}"], marker + "--", label=label, color=color,
            mfc="white",
        )  # fmt: skip
    paper.set(xlabel="blocks", ylabel="average GLUE", title="paper, figure 1c")
    paper.set_xticks(data["paper_depth"])
    paper.legend()


FIGURE = Figure(
    name="fig1c",
    title="Score by depth (the paper\u2019s figure 1c)",
    caption=(
        "Small pre-LN encoders trained from scratch on images do not clearly gain from depth: "
        "with {deep} blocks instead of {shallow} the score changes by {deeper_plain} points, with "
        "the {fused} by {deeper_fused} (95 % over {seeds} paired seeds), and fusing is clearly "
        "better at {clear} of {comparisons} depths, all taken together ({gain_deep} points with "
        "{deep} blocks; right: the paper\u2019s BERT); a baseline that clearly gains would refute "
        "it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.5),
    seconds=1,
)
