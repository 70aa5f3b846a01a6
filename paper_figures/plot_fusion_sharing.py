"""Table 1: what does it cost, and save, when layers share one attention matrix?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.data import Dataset, Variable
from paper_figures.fusion_plans import Range
from paper_figures.fusion_runs import facts, load_sharing, say, shared_layers
from paper_figures.reference import load
from simulations.fusion import over_seeds


def compute(_: Settings) -> Dataset:
    """Return score and multiply-adds of attention by range, relative to no sharing."""
    sharing = load_sharing()
    recipe = sharing.runs[0]["recipe"]
    ours = {_label(r): r for r in sharing.ranges}
    paper = {(row.quantity, row.x): row.value for row in load("table1").rows}
    printed = {x for _, x in paper}
    order = sorted(
        {*ours, *printed}, key=lambda label: (shared_layers(_range(label)), _range(label) or (0, 0))
    )
    names = ("score", "score_half", "change", "change_half", "flops")
    found = {name: np.full(len(order), np.nan) for name in names}
    paper_change, paper_flops = np.full(len(order), np.nan), np.full(len(order), np.nan)
    plain = 100 * sharing.values(None, "score")
    all_flops = sharing.values(None, "attention_flops")
    for i, label in enumerate(order):
        if label in ours:
            score = 100 * sharing.values(ours[label], "score")
            found["score"][i], found["score_half"][i] = over_seeds(score)
            found["change"][i], found["change_half"][i] = over_seeds(score - plain)
            own_flops = sharing.values(ours[label], "attention_flops")
            found["flops"][i] = np.mean(100 * own_flops / all_flops)
        if label in printed:
            change = paper["average GLUE", label] - paper["average GLUE", "none"]
            flops = paper["attention GFLOPs", label] / paper["attention GFLOPs", "none"]
            paper_change[i], paper_flops[i] = change, 100 * flops
    most = int(np.nanargmin(found["flops"]))
    half = "half of its 95 % interval over seeds"
    dims = ("range",)
    return Dataset(
        {
            "score": Variable(dims, found["score"], "score on the test part, mean over seeds", "%"),
            "score_half": Variable(dims, found["score_half"], half, "%"),
            "change": Variable(dims, found["change"], "minus no sharing's, paired by seed", "%"),
            "change_half": Variable(dims, found["change_half"], half, "%"),
            "flops": Variable(dims, found["flops"], "attention's multiply-adds, of none's", "%"),
            "paper_change": Variable(dims, paper_change, "average GLUE minus none's", "%"),
            "paper_flops": Variable(dims, paper_flops, "attention's FLOPs, of none's", "%"),
        },
        {"range": Variable(dims, np.asarray(order), "first and last block of those that share")},
        {
            "what": f"{recipe['data']}, {recipe['encoder']}, {recipe['depth']} blocks",
            "none": float(plain.mean()),
            "range_most": order[most],
            "saved_most": float(100 - found["flops"][most]),
            "change_most": say(found["change"][most], found["change_half"][most]),
            "worse": int((found["change"] + found["change_half"] < 0).sum()),
            "ranges": len(ours) - 1,
            "paper_most": float(np.nanmin(paper_change)),
            **facts([sharing]),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that sharing over the widest range costs no more than in the paper."""
    most = int(np.nanargmin(data["flops"]))
    return bool(data["change"][most] < np.nanmin(data["paper_change"]))


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw a row for each range: the change of the score, and what is left of the work."""
    score, work = canvas.subplots(1, 2, sharey=True)
    rows = np.arange(len(data["range"]))
    score.axvline(0, color="0.7", lw=0.8)
    score.errorbar(
        data["change"], rows - 0.12, xerr=data["change_half"], ls="", marker="o", color="C0",
        lw=1, label="here",
    )  # fmt: skip
    work.plot(data["flops"], rows - 0.12, "o", color="C0")
    for axes, name in ((score, "change"), (work, "flops")):
        axes.plot(
            data[f"paper_{name}"], rows + 0.12, "s", color="C1", mfc="white", label="paper: GLUE"
        )
    score.set_yticks(rows, [str(label).replace("-", "\u2013") for label in data["range"]])
    score.invert_yaxis()
    score.set(xlabel="score minus no sharing\u2019s, points", ylabel="blocks that share")
    work.set(xlabel="attention\u2019s multiply-adds, % of no sharing\u2019s", xlim=(0, 105))
    handles, labels = score.get_legend_handles_labels()
    score.legend(handles[::-1], labels[::-1])


def _label(shared: Range) -> str:
    return "none" if shared is None else f"{shared[0]}-{shared[1]}"


def _range(label: str) -> Range:
    if label == "none":
        return None
    first, last = map(int, label.split("-"))
    return first, last


FIGURE = Figure(
    name="table1",
    title="One attention matrix for a range of blocks (the paper\u2019s table 1)",
    caption=(
        "One attention matrix for blocks {range_most} saves {saved_most:.0f} % of attention\u2019s "
        "multiply-adds and changes the score by {change_most} points ({what}; {none:.1f} % without "
        "sharing), {worse} of {ranges} ranges are clearly worse (bars: 95 % over {seeds} paired "
        "seeds), and the paper loses up to {paper_most:.1f}; a mean loss of more than that with "
        "the range that saves most would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.6),
)
