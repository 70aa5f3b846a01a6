"""Table 1: what does it cost, and save, when layers share one attention matrix?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.fusion_plans import Range
from paper_figures.sources.fusion_runs import fusion_facts, load_sharing, say
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.reference import load_reference
from simulations.fusion.scores import over_seeds


def compute(_: Settings) -> Dataset:
    """Return score and multiply-adds of attention by range, beside those without sharing."""
    sharing = load_sharing()
    recipe = sharing.runs[0]["recipe"]
    count = len(sharing.ranges)
    names = ("score", "score_half", "change", "change_half", "change_joint", "flops")
    found = {name: np.full(count, np.nan) for name in names}
    plain = 100 * sharing.values(None, "score")
    all_flops = sharing.values(None, "attention_flops")
    for i, shared in enumerate(sharing.ranges):
        score = 100 * sharing.values(shared, "score")
        found["score"][i], found["score_half"][i] = over_seeds(score)
        found["change"][i], found["change_half"][i] = over_seeds(score - plain)
        found["change_joint"][i] = over_seeds(score - plain, comparisons=count - 1)[1]
        found["flops"][i] = np.mean(100 * sharing.values(shared, "attention_flops") / all_flops)
    saved = np.asarray([0 if r is None else r[1] - r[0] for r in sharing.ranges])
    paper = {(row.quantity, row.x): row.value for row in load_reference("table1").rows}
    printed = list(dict.fromkeys(x for _, x in paper))
    paper_change, paper_flops = (
        np.asarray([paper[quantity, x] for x in printed])
        for quantity in ("average GLUE", "attention GFLOPs")
    )
    paper_work = 100 * paper_flops / paper_flops[0]
    paper_saved = np.asarray([_saved_in_paper(x) for x in printed])
    most = int(saved.argmax())
    half = "half of its 95 % interval over seeds"
    dims, printed_dims = ("range",), ("paper_range",)
    return Dataset(
        {
            "saved": Variable(dims, saved, "blocks without an attention matrix of their own"),
            "score": Variable(dims, found["score"], "score on the test part, mean over seeds", "%"),
            "score_half": Variable(dims, found["score_half"], half, "%"),
            "change": Variable(dims, found["change"], "minus no sharing's, paired by seed", "%"),
            "change_half": Variable(dims, found["change_half"], half, "%"),
            "change_joint": Variable(dims, found["change_joint"], f"{half}, all together", "%"),
            "flops": Variable(dims, found["flops"], "attention's multiply-adds, of none's", "%"),
            "paper_saved": Variable(printed_dims, paper_saved, "the same, by the paper's FLOPs"),
            "paper_change": Variable(
                printed_dims, paper_change - paper_change[0], "average GLUE minus none's", "%"
            ),
            "paper_flops": Variable(printed_dims, paper_work, "attention's FLOPs, of none's", "%"),
        },
        {
            "range": Variable(dims, np.asarray([_label(r) for r in sharing.ranges]), "who shares"),
            "paper_range": Variable(printed_dims, np.asarray(printed), "as the paper calls it"),
        },
        {
            "what": f"{recipe['data']}, {recipe['encoder']}, {recipe['depth']} blocks",
            "none": float(plain.mean()),
            "range_most": _label(sharing.ranges[most]),
            "saved_most": float(100 - found["flops"][most]),
            "change_most": say(found["change"][most], found["change_half"][most]),
            "worse": int((found["change"] + found["change_joint"] < 0).sum()),
            "ranges": count - 1,
            "paper_most": float(paper_change[0] - paper_change.min()),
            "paper_saved_most": float(100 - paper_work.min()),
            **fusion_facts([sharing]),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that sharing over the widest range costs no more than in the paper."""
    most = int(data["saved"].argmax())
    return bool(data["change"][most] < np.nanmin(data["paper_change"]))


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw score and work against the number of blocks without a matrix of their own."""
    score, work = canvas.subplots(1, 2)
    score.axhline(0, color="0.7", lw=0.8)
    score.errorbar(
        data["saved"], data["change"], yerr=data["change_half"], marker="o", lw=1, label="here"
    )
    work.plot(data["saved"], data["flops"], "o-", lw=1, label="here: all products of attention")
    labels = {"change": "paper: GLUE", "flops": "paper: queries, keys, values"}
    for axes, (name, label) in zip((score, work), labels.items(), strict=True):
        axes.plot(data["paper_saved"], data[f"paper_{name}"], "s--", lw=1, mfc="white", label=label)
        axes.set(xlabel="blocks that use another one\u2019s attention matrix")
        axes.set_xticks(np.arange(0, data["saved"].max() + 1, 2))
        axes.legend(loc="lower left")
    score.set(ylabel="score minus no sharing\u2019s, points")
    work.set(ylabel="work of attention, % of no sharing\u2019s", ylim=(0, 105))


def _label(shared: Range) -> str:
    return "none" if shared is None else f"{shared[0]}-{shared[1]}"


def _saved_in_paper(label: str) -> int:
    """Return how many layers make no matrix: by the printed FLOPs all of a range but layer 1."""
    if label == "none":
        return 0
    first, last = map(int, label.split("-"))
    return last - max(first, 2) + 1


FIGURE = Figure(
    name="table1",
    title="One attention matrix for a range of blocks (the paper\u2019s table 1)",
    caption=(
        "One attention matrix for blocks {range_most} saves {saved_most:.0f} % of attention\u2019s "
        "multiply-adds (the paper, which counts the maps to queries, keys and values alone: "
        "{paper_saved_most:.0f} %) and changes the score by {change_most} points ({what}; "
        "{none:.1f} % without sharing); {worse} of {ranges} ranges are clearly worse, all taken "
        "together (bars: 95 % each over {seeds} paired seeds), and the paper loses up to "
        "{paper_most:.1f}; a mean loss of more than that with the range that saves most would "
        "refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.6),
    seconds=1,
)
