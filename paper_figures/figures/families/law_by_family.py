"""Figure: do nearly equal tokens obey the exact law in every kind of Transformer?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullFormatter

from paper_figures.sources.families import FAMILIES, PACKAGES, inputs_of, not_installed
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import each_installed, legend_below
from simulations.law.model_tangents import SHRUNK
from simulations.law.models import model_law
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.tokens import encode
from simulations.numbers import geometric_mean

_BOUNDS = {"v": "$v$ (theorem)", "v_sharp": "$v$ sharp"}
_RATES: dict[str, tuple[str, dict[str, Any]]] = {
    "measured": ("measured", {"color": "black", "marker": "D", "ms": 2.5}),
    "law": ("law at the mean token", {"color": "C0"}),
    "near": ("measured, differences shrunk", {"color": "C1", "marker": "x", "ls": "", "ms": 4}),
    "largest": ("law, largest difference", {"color": "C0", "ls": ":"}),
}
_MEANS = ("measured", "law", "near")
_DECODER = "smollm2"
_OFF = 1e-5
"""Of the law: how far from it the factors of shrunk differences may be before they refute it."""
_NEAR = 1.1
_TWICE = 2.0
_ROWS = ("bound on the factor", "factor on $d_M$ in one layer")


def compute(settings: Settings) -> Dataset:
    """Return bounds (the largest) and factors (geometric means over the inputs) by layer."""
    count, length = (1, 12) if settings.quick else (2, 24)
    others = not_installed()
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    attrs: dict[str, str | int | float] = {
        f"missing_{name.replace('-', '_')}": lines for name, lines in others.items()
    }
    off, ordered, spans = 0.0, True, list[str]()
    decoder, sinks = "the decoder is not installed here", 1.0
    for name in (name for name in FAMILIES if name not in others):
        model, key = load_checkpoint(name), name.replace("-", "_")
        given, facts = inputs_of(name, model, count, seed=settings.seed)
        found = model_law(model, given, max_length=length, vectors=1, seed=settings.seed)
        equal, real, layer = found.synchronised, found.tangent, f"layer_{key}"
        rows = {part: geometric_mean(getattr(real, part), axis=0) for part in _MEANS}
        rows["largest"] = equal.largest[: len(given)].max(axis=0)
        rows |= {part: getattr(real, part).max(axis=0) for part in _BOUNDS}
        coords[layer] = Variable((layer,), np.arange(1, real.v.shape[1] + 1), "layer")
        for part, values in rows.items():
            variables[f"{part}_{key}"] = Variable((layer,), values, f"{part} of {name}")
        off = max(off, float(np.abs(real.near / real.law - 1).max()))
        ordered = ordered and found.ordered
        spans.append(f"{_span(rows['law'])} (measured {_span(rows['measured'])}) in {name}")
        if name == _DECODER:
            alike, first = float(equal.sizes[: len(given)].max()), _first(model, given, length)
            decoder = f"{alike:,.0f}, a text\u2019s first token {first:,.0f}"
            sinks = alike / first
        attrs |= facts
    attrs |= {
        "inputs": count,
        "shrunk": SHRUNK,
        "off": off,
        "ordered": ordered,
        "spans": ", ".join(spans),
    }
    return Dataset(variables, coords, attrs | {"decoder": decoder, "sinks": sinks})


def _first(model: Checkpoint, texts: Sequence[str], length: int) -> float:
    """Return the largest norm that the first token of a text has after any layer."""
    layers = run(model, encode(model, texts, max_length=length))
    return max(float(np.linalg.norm(ran.step.output[:, 0], axis=-1).max()) for ran in layers)


def _span(values: Values) -> str:
    return f"{values.min():.2f} to {values.max():.3g}"


def refuted(data: Dataset) -> bool:
    """Whether shrunk differences disobey the law, or real ones obey it or break the theorem.

    Or equal tokens of the decoder do not grow as a first token does.
    """
    far = [
        float(np.abs(np.log(data[f"law_{key}"] / data[f"measured_{key}"])).max())
        for key in (name.replace("-", "_") for name in FAMILIES)
        if f"missing_{key}" not in data.attrs
    ]
    attrs = data.attrs
    wrong = attrs["off"] > _OFF or not attrs["ordered"] or min(far) < np.log(_NEAR)
    return bool(wrong or abs(np.log(attrs["sinks"])) > np.log(_TWICE))


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw a column for each model: both bounds, and below them the law and what was measured."""
    panels = canvas.subplots(2, len(FAMILIES), sharey="row", sharex="col", height_ratios=(1, 1.8))
    for column, key, title in each_installed(panels, FAMILIES, data):
        layers, (bounds, rates) = data[f"layer_{key}"], column
        for color, (part, label) in zip(("C2", "C7"), _BOUNDS.items(), strict=True):
            bounds.plot(layers, data[f"{part}_{key}"], color=color, label=label)
        for part, (label, style) in _RATES.items():
            rates.plot(layers, data[f"{part}_{key}"], label=label, **style)
        for axes in column:
            axes.set(yscale="log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        rates.axhline(1, color="0.6", lw=0.6, zorder=0)
        last = int(layers[-1])
        rates.set(xlabel="layer", xticks=[1, last // 2, last])
        bounds.set_title(title, fontsize=8)
    for axes, label in zip(panels[:, 0], _ROWS, strict=True):
        axes.set_ylabel(label)
    legend_below(canvas, panels.ravel())


FIGURE = Figure(
    name="law_by_family",
    title="The law at equal tokens in an encoder, a repeated block, a decoder, for images",
    caption=(
        "Shrunk to {shrunk:.1e} of the mean token, the differences of {inputs} input(s) a model "
        "follow the law in every layer (to {off:.1g-up}), each head with its own walk on positions "
        "where scores depend on them, but as they are they do not, because real tokens are far "
        "from equal: the law\u2019s factors are {spans}; and equal tokens of the decoder, all of "
        "them first tokens, grow to the norm of one ({decoder}); shrunk differences off the law by "
        "more than 1e-5, real ones within a tenth of it in every layer of a model, norms more than "
        "a factor of 2 apart, or a ratio above its bound, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.4),
    packages=PACKAGES,
    seconds=20,
)
