"""Figure: what does the exact law say of pretrained models, beside what their layers do?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.models import MODELS, PACKAGES, checkpoint, model_facts
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from simulations.law.differences import simulate_differences
from simulations.law.models import ModelLaw, model_law
from simulations.models.checkpoint import Checkpoint
from simulations.models.forward import embed
from simulations.models.texts import sentences
from simulations.models.tokens import encode
from simulations.numbers import geometric_mean
from theory.graphs.masks import full_mask
from theory.law.orbits import host_block

_BOUNDS = {"v": ("$v$ (theorem)", "o"), "v_sharp": ("$v$ sharp", "s")}
_RATES = {
    "measured": ("measured", {"color": "black", "marker": "D"}),
    "own": ("derivative at the text", {"color": "C2", "marker": "v"}),
    "leading": ("leading tangent vector", {"color": "C3", "marker": "^"}),
    "law": ("law at the mean token", {"color": "C0", "marker": "o"}),
    "near": ("simulated, tokens all but equal", {"color": "C1", "marker": "x", "ls": ""}),
    "largest": ("law, largest difference", {"color": "C0", "ls": ":", "marker": ""}),
}
"""What is drawn of each layer: its name there and its look."""


def compute(settings: Settings) -> Dataset:
    """Return all factors layer by layer, geometric means over the texts (v: the largest)."""
    count, length = (1, 24) if settings.quick else (4, 48)
    texts = sentences(count, seed=settings.seed)
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    attrs = dict[str, Any](sentences=count, ordered=True, near_off=0.0)
    attrs |= {"lowest_sharp": np.inf, "apart": np.inf}
    for name in MODELS:
        model = checkpoint(name)
        found = model_law(model, texts, max_length=length, vectors=1, seed=settings.seed)
        equal, real, key = found.synchronised, found.tangent, name.replace("-", "_")
        near = _near(model, texts, length)
        means = {
            "measured": real.measured,
            "own": real.own,
            "leading": np.exp(real.local[:, :, 0]),
            "law": real.law,
            "near": near,
        }
        rows = {part: geometric_mean(values, axis=0) for part, values in means.items()}
        rows |= {part: getattr(real, part).max(axis=0) for part in _BOUNDS}
        rows["largest"] = equal.largest[: len(texts)].max(axis=0)
        layer = f"layer_{key}"
        coords[layer] = Variable((layer,), np.arange(1, real.v.shape[1] + 1), "layer")
        for part, values in rows.items():
            variables[f"{part}_{key}"] = Variable((layer,), values, f"{part} of {name}")
        total = {part: float(geometric_mean(rows[part])) for part in means}
        attrs |= {f"{key}_{part}": value for part, value in total.items()}
        attrs |= {
            f"{key}_law_lowest": float(rows["law"].min()),
            f"{key}_law_highest": float(rows["law"].max()),
            f"{key}_measured_lowest": float(rows["measured"].min()),
            f"{key}_measured_highest": float(rows["measured"].max()),
            "apart": min(attrs["apart"], _apart(found)),
            "ordered": attrs["ordered"] and found.ordered,
            "near_off": max(attrs["near_off"], float(np.abs(near / real.law - 1).max())),
            "lowest_sharp": min(attrs["lowest_sharp"], float(real.v_sharp.min())),
            **model_facts(name),
        }
    return Dataset(variables, coords, attrs)


def _near(model: Checkpoint, texts: Sequence[str], length: int) -> Values:
    """Return what the layers do to each text's differences when these are made all but zero."""
    encoded = encode(model, texts, max_length=length)
    embedded = np.asarray(embed(model, encoded), dtype=np.float64)
    blocks = [host_block(block) for block in model.blocks]
    rows = []
    for tokens, present in zip(embedded, encoded.token_mask, strict=True):
        text = tokens[present]
        run = simulate_differences(
            blocks,
            full_mask(len(text)),
            text.mean(axis=0),
            text - text.mean(axis=0),
            layers=len(blocks),
            judged=0,
        )
        rows.append(np.exp(np.diff(run.simulated)))
    return np.stack(rows)


def _apart(found: ModelLaw) -> float:
    """Return how far the orbits of the mean tokens end from a random one's, at the least."""
    return float(found.synchronised.ends[:-1, -1].min())


def refuted(data: Dataset) -> bool:
    """Whether all but equal tokens disobey the law, or real ones obey it or break the theorem."""
    off = [
        float(np.abs(np.log(data[f"law_{key}"] / data[f"measured_{key}"])).max())
        for key in (name.replace("-", "_") for name in MODELS)
    ]
    attrs = data.attrs
    return bool(
        attrs["near_off"] > 1e-6
        or not attrs["ordered"]
        or min(off) < np.log(2)
        or attrs["lowest_sharp"] <= 1
    )


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the theorem's factors above those of law, derivative and measurement."""
    panels = canvas.subplots(2, 2, sharex="col", sharey="row", height_ratios=(1, 2.2))
    for column, (name, title) in enumerate(MODELS.items()):
        key = name.replace("-", "_")
        layers = data[f"layer_{key}"]
        above, below = panels[0, column], panels[1, column]
        for index, (part, (label, marker)) in enumerate(_BOUNDS.items()):
            colour = ("0.1", "0.5")[index]
            values = data[f"{part}_{key}"]
            above.plot(layers, values, color=colour, marker=marker, label=label)
        for part, (label, style) in _RATES.items():
            below.plot(layers, data[f"{part}_{key}"], label=label, **style)
        _finish(above, below, layers)
        above.set_title(title)
    panels[0, 0].set_ylabel("factor on $d_M$")
    panels[1, 0].set_ylabel("factor on $d_M$ in one layer")
    panels[0, 1].legend(loc="upper right", ncols=2)
    handles, labels = panels[1, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=3)


def _finish(above: Axes, below: Axes, layers: Values) -> None:
    above.set(yscale="log")
    below.set(yscale="log", xlabel="layer", xticks=layers)
    below.axhline(1, color="0.6", lw=0.6, zorder=0)


FIGURE = Figure(
    name="law_models",
    title="Two pretrained models: the law at equal tokens, and what real tokens do",
    caption=(
        "With differences shrunk far below round-off, the tokens of {sentences} sentence(s) follow "
        "the law at their mean token in every layer (to {near_off:.1g-up}); as they are they do "
        "not, because they are far from equal: the law\u2019s factors run from "
        "{e5_small_law_lowest:.2f} to {e5_small_law_highest:.1f} in e5-small and "
        "{minilm_law_lowest:.2f} to {minilm_law_highest:.1f} in MiniLM, the measured ones only "
        "from {e5_small_measured_lowest:.2f} to {e5_small_measured_highest:.2f} and "
        "{minilm_measured_lowest:.2f} to {minilm_measured_highest:.2f} (geometric means over the "
        "layers: law {e5_small_law:.2f} and {minilm_law:.2f}, measured {e5_small_measured:.2f} and "
        "{minilm_measured:.2f}), an orbit from a random token ends at least "
        "{apart:.1f-down} of its size away from theirs, and even the sharp theorem is never below "
        "{lowest_sharp:.0f}; shrunk differences off the law by a millionth, real ones within a "
        "factor of 2 of it in every layer, or a ratio above its bound, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.6),
    packages=PACKAGES,
    seconds=42,
)
