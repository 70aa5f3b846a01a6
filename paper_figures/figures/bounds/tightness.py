"""Figure: how near do the worst, typical and real instances come to each bound?"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.models import PACKAGES, model_facts
from paper_figures.sources.real_layers import layers_of_texts
from paper_figures.sources.statements import theorem_record, trend_record
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Record, Values, Variable
from theory.theorems.catalogue import CATALOGUE, TRENDS

_LOWEST, HIGHEST = 1e-6, 1e2
"""What is drawn; ratios beyond are drawn at the edge, with another marker."""

_SERIES = {
    "layers": "median in all-MiniLM-L6-v2",
    "typical": "median of Gaussian instances",
    "random": "worst of random search",
    "attack": "worst of the attack",
}
_MARKERS = {
    "layers": ("D", "C1", 3.0),
    "typical": ("s", "C6", 3.0),
    "random": ("o", "0.55", 4.2),
    "attack": ("|", "C2", 6.0),
}


def _effort(settings: Settings) -> dict[str, int]:
    """Return how many trials, evaluations and instances of each kind a theorem gets."""
    if settings.quick:
        return {"trials": 192, "budget": 400, "members": 8, "sentences": 1, "layers": 2}
    return {"trials": 2000, "budget": 8000, "members": 32, "sentences": 4, "layers": 6}


def compute(settings: Settings) -> Dataset:
    """Return the ratios of every theorem, and under "statements" all that the page shows."""
    return try_statements(settings, keys=CATALOGUE, trends=TRENDS)


def try_statements(settings: Settings, *, keys: Any, trends: Any) -> Dataset:
    """Try the named theorems and trends."""
    tried = _effort(settings)
    every = layers_of_texts(tried.pop("sentences"), seed=settings.seed)
    count = tried.pop("layers")
    layers = every if count == len(every) else [every[0], every[-1]]
    theorems = [
        theorem_record(CATALOGUE[key], layers=layers, seed=settings.seed, **tried) for key in keys
    ]
    judged = [trend_record(TRENDS[key], seed=settings.seed) for key in trends]
    drawn = [record for record in theorems if not record["equality"]]
    variables, coords = _variables(drawn)
    return Dataset(
        variables, coords, {**_summary(theorems, judged, settings), **model_facts("minilm")}
    )


def _variables(drawn: list[Record]) -> tuple[dict[str, Variable], dict[str, Variable]]:
    """Ratios as they are, and where they are drawn: at the edge if they lie beyond it."""
    rows = ("theorem",)
    variables: dict[str, Variable] = {
        "refuted_as_stated": Variable(
            rows, np.asarray([x["expected"] == "refuted" for x in drawn]), "expected to fail"
        ),
        "tight": Variable(rows, np.asarray([x["tight"] for x in drawn]), "called tight"),
    }
    for name, label in _SERIES.items():
        ratio = np.asarray([_ratio(record, name) for record in drawn])
        missing, infinite = np.isnan(ratio), np.isinf(ratio)
        place = np.clip(np.where(infinite, HIGHEST, ratio), _LOWEST, HIGHEST)
        side = np.where(missing, 0, (ratio > HIGHEST) * 1 - (ratio < _LOWEST) * 1)
        kept = np.where(infinite, np.nan, ratio)
        variables[name] = Variable(rows, kept, f"lhs / rhs: {label}")
        variables[f"{name}_place"] = Variable(rows, place, f"where it is drawn: {label}")
        variables[f"{name}_side"] = Variable(rows, side, "-1 below, 1 above the axis, else 0")
    return variables, {"theorem": Variable(rows, np.asarray([x["key"] for x in drawn]), "key")}


def _ratio(record: Record, name: str) -> float:
    """Return a theorem's ratio in one of `_SERIES`; NaN where it was not tried."""
    found = record[name]
    if found is None:
        return np.nan
    if name in ("attack", "random") and found["unbounded"]:
        return np.inf
    value = found["median" if name in ("layers", "typical") else "ratio"]
    return np.nan if value is None else float(value)


def _summary(theorems: list[Record], judged: list[Record], settings: Settings) -> dict[str, Any]:
    """What the caption says, and all records."""
    tight = [x for x in theorems if x["tight"] and not x["equality"]]
    gaps = sorted((x["attack"]["shortfall"], x["key"]) for x in tight)
    statements = theorems + judged
    tried = _effort(settings)
    return {
        **{name: tried[name] for name in ("trials", "budget", "members", "sentences", "layers")},
        "theorems": len(theorems),
        "trends": len(judged),
        "bounds": sum(not x["equality"] for x in theorems),
        "tight": len(tight),
        "reached": sum(gap <= 0.01 for gap, _ in gaps),
        "largest_gap": gaps[-1][0] if gaps else 0.0,
        "largest_gap_at": gaps[-1][1] if gaps else "",
        "false": sum(x["expected"] == "refuted" for x in theorems),
        "false_found": sum(
            x["expected"] == "refuted" and x["attack"]["refuted_after"] is not None
            for x in theorems
        ),
        "unexpected": [x["key"] for x in statements if x["status"] != x["expected"]],
        "statements": statements,
    }


def refuted(data: Dataset) -> bool:
    """Whether a theorem that should hold was refuted, or one that should not was not."""
    theorems = [x for x in data.attrs["statements"] if x["kind"] == "inequality"]
    return any(x["status"] != x["expected"] for x in theorems)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw a row for each theorem, on a logarithmic axis that ends at the edges."""
    # Placed by hand: the constrained layout leaves a strip below so tall an axis.
    canvas.set_layout_engine("none")
    axes = canvas.add_axes((0.315, 0.052, 0.66, 0.918))
    names: Values = data["theorem"]
    rows = np.arange(len(names))
    for row in rows[::2]:
        axes.axhspan(row - 0.5, row + 0.5, color="0.965", lw=0, zorder=-2)
    axes.axvline(1, color="0.4", lw=0.7, zorder=-1)
    for name, label in _SERIES.items():
        place, side = data[f"{name}_place"], data[f"{name}_side"]
        marker, color, size = _MARKERS[name]
        width = 1.6 if marker == "|" else 0.0
        style: dict[str, Any] = {"ls": "", "color": color, "clip_on": False}
        inside = side == 0
        axes.plot(
            place[inside], rows[inside], marker=marker, ms=size, mew=width, label=label, **style
        )
        for beyond, arrow in ((-1, "<"), (1, ">")):
            at = side == beyond
            axes.plot(place[at], rows[at], marker=arrow, ms=4.5, mew=0, **style)
    axes.set(xscale="log", xlim=(_LOWEST, HIGHEST), ylim=(len(names) - 0.5, -0.5))
    axes.set_xlabel("left side over right side (arrows: beyond the axis, or zero)")
    axes.set_yticks(rows, labels=names, fontsize=6.8)
    for text, false, tight in zip(
        axes.get_yticklabels(), data["refuted_as_stated"], data["tight"], strict=True
    ):
        text.set_color("#c91f16" if false else "0.1" if tight else "0.45")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1.0), ncols=4, columnspacing=1.2)


FIGURE = Figure(
    name="tightness",
    title="How near instances come to the bounds",
    caption=(
        "Of {bounds} bounds the {tight} that are called tight (black names) are reached within 1 % "
        "by an attack of {budget} evaluations in {reached} cases (the largest gap, "
        "{largest_gap:.2g-up}, is that of {largest_gap_at}), and the same attack breaks "
        "{false_found} of the {false} claims kept as refuted as stated (red names); grey dots are "
        "the worst of {trials} random trials, squares medians over {members} instances with "
        "Gaussian weights (32 tokens, 64 features where the theorem has sizes), diamonds medians "
        "over {layers} layers of all-MiniLM-L6-v2 and their heads (sentences, each cut to 32 "
        "tokens: {sentences}); a ratio above 1 at a black or grey name, or a red name for which "
        "neither searches nor witness exceed 1, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 9.2),
    packages=PACKAGES,
    seconds=363,
)
