"""Figure: does the LN std scale tau, taken alone, make tokens merge?"""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.stacks import late_mean, trace
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import band_variables, draw_band
from simulations.instruments.trace import Trace, trace_centred
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.graphs.masks import causal_mask

_TAUS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_SHOWN = (0.25, 1.0, 4.0, 16.0)  # the taus whose course is drawn, and those of a quick run
_DEPTH, _TOKENS = 40, 24
TAU_STACK = Stack(
    depth=_DEPTH,
    tokens=_TOKENS,
    width=24,
    heads=2,
    ffn_width=24,
    activation="relu",
    value_gain=0.5,
    ffn_gain=0.5,
)
KINDS_OF_STACKS = {
    "bias-free ReLU": TAU_STACK,
    "with gains of 2": replace(TAU_STACK, norm_gain=2.0),
    "GELU": replace(TAU_STACK, activation="gelu"),
    "with biases": replace(TAU_STACK, bias_std=0.5),
    "pre-LN": replace(TAU_STACK, placement="pre"),
}


def compute(settings: Settings) -> Dataset:
    """Return courses far from M against a score temperature, and rates near M, for each tau."""
    seed, taus = settings.seed, _SHOWN if settings.quick else _TAUS
    one = range(seed, seed + 1)
    tokens = draw_tokens(TAU_STACK, seeds=one)
    scaled, heated = [], []
    for tau in taus:
        # what leaves a norm has std 1 / tau, so what enters the first block must have it too
        blocks = draw_blocks(replace(TAU_STACK, tau=tau), seeds=one)
        scaled.append(trace_centred(blocks, tokens / tau))
        blocks = draw_blocks(replace(TAU_STACK, score_gain=tau**-2), seeds=one)
        heated.append(trace_centred(blocks, tokens))
    run, temperature = (
        np.stack([t.tokens["relative_distance"][:, 0] for t in traces])
        for traces in (scaled, heated)
    )

    mask = causal_mask(_TOKENS, like=tokens)
    seeds = range(seed, seed + (2 if settings.quick else 6))
    near = {
        name: [
            trace(replace(stack, tau=tau, initial="near-consensus"), seeds=seeds, mask=mask)
            for tau in taus
        ]
        for name, stack in KINDS_OF_STACKS.items()
    }
    grid = ("family", "tau")
    rate = np.stack([[late_mean(_relative_ratio(t)) for t in row] for row in near.values()])
    v = np.stack([[late_mean(t.blocks["v"]) for t in row] for row in near.values()])
    rate, v = np.moveaxis(rate, -1, 0), np.moveaxis(v, -1, 0)  # seeds first
    plain, plain_v = rate[:, 0].mean(axis=0), v[:, 0].mean(axis=0)
    biased = rate[:, list(KINDS_OF_STACKS).index("with biases")].mean(axis=0)
    return Dataset(
        {
            "relative": Variable(("tau", "depth"), run, "d_M / |H| with LN std scale tau"),
            "heated": Variable(
                ("tau", "depth"), temperature, "d_M / |H| with scores divided by tau^2"
            ),
            **band_variables("rate", rate, grid, "ratio of d_M / |H| a layer, near M, causal mask"),
            **band_variables("v", v, grid, "block coefficient v, near M, causal mask"),
        },
        coords={
            "tau": Variable(("tau",), np.asarray(taus), "LN std scale"),
            "depth": Variable(("depth",), np.arange(_DEPTH + 1), "blocks applied"),
            "shown": Variable(
                ("course",), np.asarray([taus.index(tau) for tau in _SHOWN]), "place of a drawn tau"
            ),
            "family": Variable(("family",), np.asarray(list(KINDS_OF_STACKS)), "kind of stack"),
        },
        attrs={
            "stack": repr(TAU_STACK),
            "averages": "geometric means over the second half of the layers, one for each seed",
            "gap": float(np.abs(run / temperature - 1).max()),
            "rate_lowest": float(plain.min()),
            "rate_highest": float(plain.max()),
            "v_lowest": float(plain_v.min()),
            "v_highest": float(plain_v.max()),
            "biased_first": float(biased[0]),
            "biased_last": float(biased[-1]),
        },
    )


def _relative_ratio(run: Trace) -> Values:
    """Return the ratio of d_M / |H| in each layer: (depth, seeds)."""
    ratio: Values = 10 ** np.diff(run.tokens["log10_relative_distance"], axis=0)
    return ratio


def refuted(data: Dataset) -> bool:
    """Whether tau is no temperature, moves the bias-free rate or v, or helps no biased stack."""
    attrs = data.attrs
    moves = (attrs[f"{name}_highest"] > 1.01 * attrs[f"{name}_lowest"] for name in ("rate", "v"))
    biased_stays = attrs["biased_last"] > 0.5 * attrs["biased_first"]
    return bool(attrs["gap"] > 1e-6 or any(moves) or biased_stays)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw courses over their temperature twins, and rates near M against tau."""
    courses, rates = canvas.subplots(1, 2, width_ratios=(1, 1.25))
    for colour, index in enumerate(data["shown"]):
        label = rf"$\tau$ = {data['tau'][index]:g}"
        courses.plot(data["depth"], data["relative"][index], f"C{colour}", label=label)
        courses.plot(
            data["depth"], data["heated"][index], "o", color=f"C{colour}", ms=3, mfc="none", mew=0.6
        )
    courses.set(
        title=r"(a) $\tau$ (line), scores$/\tau^2$ (rings)",
        xlabel="depth (blocks)",
        ylabel=r"$d_M/\|H\|$",
        yscale="log",
    )
    courses.legend(loc="lower left")
    for index, name in enumerate(data["family"]):
        draw_band(
            rates,
            data,
            "tau",
            "rate",
            index=index,
            color=f"C{index}",
            label=name,
            marker="osD^v"[index],
            ms=(7, 5, 3, 3.5, 3.5)[index],  # three families coincide
        )
    low, high = (data.attrs[f"v_{end}"] for end in ("lowest", "highest"))
    note = f"$v$ of bias-free ReLU: {low:.3f} to {high:.3f}"
    rates.text(0.03, 0.04, note, transform=rates.transAxes)
    rates.axhline(1, color="0.6", lw=0.6, zorder=0)
    rates.set(
        title="(b) near consensus, causal mask",
        xlabel=r"LN std scale $\tau$",
        ylabel=r"ratio of $d_M/\|H\|$ a layer",
        xscale="log",
        ylim=(0, 1.06),
    )
    rates.set_xticks(data["tau"], [f"{tau:g}" for tau in data["tau"]])
    rates.minorticks_off()
    rates.legend(loc="lower left", bbox_to_anchor=(0, 0.1))


FIGURE = Figure(
    name="tau",
    title="The LN std scale \u03c4 alone is a score temperature",
    caption=(
        "In bias-free ReLU post-LN stacks, scaling the LN std by \u03c4 is the same as dividing "
        "the scores by \u03c4\u00b2 (relative gap at most {gap:.0e}), and near consensus the rate "
        "stays between {rate_lowest:.4f} and {rate_highest:.4f} and v between {v_lowest:.3f} and "
        "{v_highest:.3f} for \u03c4 from 1/4 to 16, whereas with biases the rate falls from "
        "{biased_first:.2f} to {biased_last:.2f} (means, bands hold 5 to 95 % of the seeds); a gap "
        "above a millionth, a bias-free rate or v that moves by 1 %, or a biased rate that does "
        "not even halve, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.9),
    seconds=60,
)
