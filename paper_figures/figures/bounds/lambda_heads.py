"""Figure: which attention heads can push tokens apart (lambda above 1)?"""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.models import MODELS, PACKAGES, counts, runs_of
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from simulations.numbers import geometric_mean


def compute(settings: Settings) -> Dataset:
    """Return the geometric mean of lambda over sentences, for every head and layer."""
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    facts, peaks, single = dict[str, str | int](), [], []
    for name in MODELS:
        runs, key = runs_of(name, settings), name.replace("-", "_")
        mean = geometric_mean(runs.lambda_, axis=0)  # (layers, heads)
        layers, heads = mean.shape
        layer, head = f"layer_{key}", f"head_{key}"
        variables[f"lambda_{key}"] = Variable(
            (head, layer), mean.T, f"lambda of {name}: geometric mean over sentences"
        )
        coords[layer] = Variable((layer,), np.arange(1, layers + 1), "layer")
        coords[head] = Variable((head,), np.arange(1, heads + 1), "head")
        peaks.append(mean.max(axis=1))
        single.append((runs.lambda_[:, -1] > 1).mean())
        facts |= runs.facts
        facts[f"{key}_below"] = int((mean < 1).sum())
        facts[f"{key}_heads"] = int(mean.size)
    attrs = {
        "sentences": counts(settings)[1],
        "largest": max(float(peak.max()) for peak in peaks),
        "last_largest": max(float(peak[-1]) for peak in peaks),
        **{f"above_{i}": 100 * float(share) for i, share in enumerate(single)},
        **facts,
    }
    values = np.concatenate([v.values.ravel() for v in variables.values()])
    limits = Variable(("end",), np.asarray([values.min(), values.max()]), "range of lambda")
    return Dataset({**variables, "limits": limits}, coords, attrs)


def refuted(data: Dataset) -> bool:
    """The caption says that on the mean the last layers' heads contract, and others do not."""
    return bool(data.attrs["last_largest"] >= 1 or data.attrs["largest"] <= 1)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw one map for each model on a common scale, with a dot where lambda is below 1."""
    panels = canvas.subplots(1, 2, width_ratios=(12, 6.6))
    low, high = data["limits"]
    for axes, (name, label) in zip(panels, MODELS.items(), strict=True):
        key = name.replace("-", "_")
        values, layer, head = (data[f"{part}_{key}"] for part in ("lambda", "layer", "head"))
        image = axes.pcolormesh(layer, head, values, norm=LogNorm(low, high), rasterized=True)
        rows, columns = np.nonzero(values < 1)
        axes.plot(layer[columns], head[rows], ".", color="white", ms=3)
        axes.set(title=label, xlabel="layer", xticks=layer, yticks=head)
        axes.tick_params(length=0)
    panels[0].set_ylabel("head")
    bar = canvas.colorbar(image, ax=panels, label=r"$\lambda$ (dots: below 1)", pad=0.01)
    bar.ax.axhline(1, color="white", lw=1)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if low <= tick <= high]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.ax.minorticks_off()


FIGURE = Figure(
    name="lambda_heads",
    title="\u03bb of every attention head",
    caption=(
        "On the geometric mean over {sentences} sentences every head of the last layer of both "
        "models has a \u03bb below 1, at most {last_largest:.2f-up} (in single sentences "
        "{above_0:.0f} % of the heads of multilingual-e5-small and {above_1:.0f} % of "
        "all-MiniLM-L6-v2 are above), while earlier layers have means up to {largest:.1f}, with "
        "which attention alone can push tokens apart (means below 1: {e5_small_below} of "
        "{e5_small_heads} heads and {minilm_below} of {minilm_heads}); a mean above 1 in a last "
        "layer would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 3.0),
    packages=PACKAGES,
    seconds=1,
)
