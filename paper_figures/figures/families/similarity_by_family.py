"""Figure: do tokens become alike in every kind of Transformer, and is that one token's doing?"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.families import FAMILIES, PACKAGES, FamilyRuns, runs_by_family
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import (
    band_variables,
    draw_band,
    each_installed,
    legend_below,
)

_DECODER = "smollm2"
_ROWS = {"cosine_similarity": "CosSim", "relative_distance": "$d_M / |H|$"}
_CURVES = {
    "": "all tokens",
    "_without_largest": "without the largest token (that with most of $d_M^2$)",
}
_SHARE = "share of $d_M^2$ of\nthe largest token"
_HALF = 0.5


def compute(settings: Settings) -> Dataset:
    """Return the similarity of tokens layer by layer, with and without the largest token."""
    found, others = runs_by_family(settings)
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    attrs: dict[str, str | int | float] = {
        f"missing_{name.replace('-', '_')}": lines for name, lines in others.items()
    }
    for name, runs in found.items():
        key, tokens = name.replace("-", "_"), runs.every.tokens
        depth = f"depth_{key}"
        coords[depth] = Variable((depth,), np.arange(runs.every.depth + 1), "blocks applied")
        for measure in ("largest_share", *(row + curve for row in _ROWS for curve in _CURVES)):
            variables |= band_variables(
                f"{measure}_{key}", tokens[measure].T, (depth,), f"{measure} of {name}"
            )
        attrs |= runs.facts
    means = {name: value.values for name, value in variables.items() if name.endswith("_mean")}
    return Dataset(variables, coords, {**attrs, **_words(found, means)})


def _words(found: Mapping[str, FamilyRuns], means: Mapping[str, Values]) -> dict[str, str]:
    """Return what the caption says of each model that is installed."""
    cosines, shares = [], []
    decoder = "the decoder is not installed here"
    for name in found:
        key = name.replace("-", "_")
        first, *_, last = means[f"cosine_similarity_{key}_mean"]
        cosines.append(f"{first:.2f} to {last:.2f} in {name}")
        share = means[f"largest_share_{key}_mean"].max()
        if name != _DECODER:
            shares.append(f"{100 * share:.0f} % in {name}")
            continue
        gap = _gap(means, key)
        at = int(gap.argmax())
        full, rest = (
            means[f"relative_distance{curve}_{key}_mean"][at] for curve in ("", "_without_largest")
        )
        decoder = (
            f"in the decoder one token makes up to {100 * share:.0f} % of d_M\u00b2, and without "
            f"it d_M / |H| is {rest:.2f} in the place of {full:.2f} after layer {at}"
        )
    return {
        "cosines": ", ".join(cosines),
        "decoder": decoder,
        "shares": ", ".join(shares) or "none",
    }


def _gap(means: Mapping[str, Values], key: str) -> Values:
    full, rest = (
        means[f"relative_distance{curve}_{key}_mean"] for curve in ("", "_without_largest")
    )
    return np.asarray(np.abs(full - rest))


def refuted(data: Dataset) -> bool:
    """Whether tokens end no more alike, or one token rules elsewhere than in the decoder."""
    for name in FAMILIES:
        key = name.replace("-", "_")
        if f"missing_{key}" in data.attrs:
            continue
        cosine, share = data[f"cosine_similarity_{key}_mean"], data[f"largest_share_{key}_mean"]
        rules = share.max() > _HALF
        if cosine[-1] <= cosine[0] or rules != (name == _DECODER):
            return True
    return False


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw a column for each model: CosSim, relative distance, the largest token's share."""
    panels = canvas.subplots(3, len(FAMILIES), sharey="row", sharex="col")
    for column, key, title in each_installed(panels, FAMILIES, data):
        depth = f"depth_{key}"
        for axes, row in zip(column, _ROWS, strict=False):
            for index, (curve, label) in enumerate(_CURVES.items()):
                draw_band(axes, data, depth, f"{row}{curve}_{key}", color=f"C{index}", label=label)
        draw_band(column[2], data, depth, f"largest_share_{key}", color="0.3")
        column[2].axhline(_HALF, color="0.6", lw=0.6, ls=":", zorder=0)
        last = int(data[depth][-1])
        column[2].set(xlabel="layer", xticks=[0, last // 2, last])
        column[0].set_title(title, fontsize=8)
    for axes, label in zip(panels[:, 0], (*_ROWS.values(), _SHARE), strict=True):
        axes.set(ylim=(0, 1), ylabel=label)
    legend_below(canvas, panels[0])


FIGURE = Figure(
    name="similarity_by_family",
    title="Token similarity by layer in an encoder, a repeated block, a decoder and for images",
    caption=(
        "From the embeddings to the last layer the mean cosine of tokens goes from {cosines} "
        "(means over the inputs; bands hold 5 to 95 % of them), and {decoder}, while elsewhere the "
        "largest token makes less than half on the mean (at most {shares}); a mean cosine that "
        "ends no higher than it begins, a largest token with a mean share above one half in "
        "another model, or none in the decoder, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.8),
    packages=PACKAGES,
    seconds=11,
)
