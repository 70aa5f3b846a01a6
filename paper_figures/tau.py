"""Figure: does the LN std scale tau, taken alone, make tokens merge?"""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.bands import draw_band, summarise
from paper_figures.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.data import Dataset, Variable
from paper_figures.traces import trace, trace_blocks
from simulations.ensembles import Stack, draw_blocks, draw_tokens
from theory.masks import causal_mask

TAUS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
SHOWN = (0.25, 1.0, 4.0, 16.0)  # the taus whose course is drawn, and those of a quick run
DEPTH, TOKENS = 40, 24
BASE = Stack(
    depth=DEPTH,
    tokens=TOKENS,
    width=24,
    heads=2,
    ffn_width=24,
    activation="relu",
    value_gain=0.5,
    ffn_gain=0.5,
)
FAMILIES = {
    "bias-free ReLU": BASE,
    "with gains of 2": replace(BASE, norm_gain=2.0),
    "GELU": replace(BASE, activation="gelu"),
    "with biases": replace(BASE, bias_std=0.5),
    "pre-LN": replace(BASE, placement="pre"),
}


def compute(settings: Settings) -> Dataset:
    """Return courses far from M against a score temperature, and rates near M, for each tau."""
    seed, taus = settings.seed, SHOWN if settings.quick else TAUS
    one = range(seed, seed + 1)
    tokens = draw_tokens(BASE, seeds=one)
    scaled, heated = [], []
    for tau in taus:
        # what leaves a norm has std 1 / tau, so what enters the first block must have it too
        blocks = draw_blocks(replace(BASE, tau=tau), seeds=one)
        scaled.append(trace_blocks(blocks, tokens / tau))
        blocks = draw_blocks(replace(BASE, score_gain=tau**-2), seeds=one)
        heated.append(trace_blocks(blocks, tokens))
    run, temperature = (
        np.stack([np.exp(t.log_relative[:, 0]) for t in traces]) for traces in (scaled, heated)
    )

    mask, late = causal_mask(TOKENS, like=tokens), slice(DEPTH // 2, None)
    seeds = range(seed, seed + (2 if settings.quick else 6))
    near = {
        name: [
            trace(replace(stack, tau=tau, initial="near-consensus"), seeds=seeds, mask=mask)
            for tau in taus
        ]
        for name, stack in FAMILIES.items()
    }
    grid = ("family", "tau")
    rate = np.asarray(
        [
            [np.exp(np.diff(t.log_relative, axis=0)[late].mean(axis=0)) for t in traces]
            for traces in near.values()
        ]
    )
    v = np.asarray(
        [[np.exp(np.log(t.v)[late].mean(axis=0)) for t in traces] for traces in near.values()]
    )
    rate, v = np.moveaxis(rate, -1, 0), np.moveaxis(v, -1, 0)  # seeds first
    plain = rate[:, 0].mean(axis=0)
    return Dataset(
        {
            "relative": Variable(("tau", "depth"), run, "d_M / |H| with LN std scale tau"),
            "heated": Variable(
                ("tau", "depth"), temperature, "d_M / |H| with scores divided by tau^2"
            ),
            **summarise("rate", rate, grid, "ratio of d_M / |H| a layer, near M, causal mask"),
            **summarise("v", v, grid, "block coefficient v, near M, causal mask"),
        },
        coords={
            "tau": Variable(("tau",), np.asarray(taus), "LN std scale"),
            "depth": Variable(("depth",), np.arange(DEPTH + 1), "blocks applied"),
            "shown": Variable(
                ("course",), np.asarray([taus.index(tau) for tau in SHOWN]), "place of a drawn tau"
            ),
            "family": Variable(("family",), np.asarray(list(FAMILIES)), "kind of stack"),
        },
        attrs={
            "stack": repr(BASE),
            "averages": "geometric means over the second half of the layers, one for each seed",
            "gap": float(np.abs(run / temperature - 1).max()),
            "rate_lowest": float(plain.min()),
            "rate_highest": float(plain.max()),
            "biased_first": float(rate[:, list(FAMILIES).index("with biases"), 0].mean()),
            "biased_last": float(rate[:, list(FAMILIES).index("with biases"), -1].mean()),
            "v_plain": float(v[:, 0].mean()),
        },
    )


def refuted(data: Dataset) -> bool:
    """Tau is a temperature: the runs agree, and near M the bias-free rate does not move."""
    spread = data.attrs["rate_highest"] / data.attrs["rate_lowest"] - 1
    return bool(data.attrs["gap"] > 1e-6 or spread > 0.01)


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
    note = f"$v$ of bias-free ReLU: {data.attrs['v_plain']:.1f} at every $\\tau$"
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
        "stays between {rate_lowest:.4f} and {rate_highest:.4f} for \u03c4 from 1/4 to 16 with v "
        "near {v_plain:.1f} throughout, whereas with biases the rate falls from {biased_first:.2f} "
        "to {biased_last:.2f} (bands hold 5 to 95 % of the seeds); a gap above "
        "rounding, or a bias-free rate that moves with \u03c4, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.9),
)
