"""Figure: if LayerNorm divided by a constant, would a small v make the tokens alike?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.stacks import trace
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from simulations.instruments.trace import Trace, trace_centred
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Stack
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block

_SIGMAS = (1.2, 2.0, 4.0, 8.0)
_DEPTH, _TOKENS, _WIDTH = 24, 24, 24
_OPPOSED = -0.5  # the counterexample's value matrix is this multiple of the identity
OPPOSED_SIGMA = 1.25


def _stack_at(sigma: float) -> Stack:
    """Return the stack whose norms divide by ``sigma``; no biases, ReLU."""
    return Stack(
        depth=_DEPTH,
        tokens=_TOKENS,
        width=_WIDTH,
        heads=2,
        ffn_width=_WIDTH,
        weights="orthogonal",
        activation="relu",
        score_gain=0.3,
        value_gain=0.15,
        ffn_gain=0.25,
        fixed_std=sigma,
    )


def _counterexample(seed: int) -> Trace:
    """Run uniform attention with V = -I / 2 and no feed-forward: v = 1 / sigma exactly."""
    zero = np.zeros((1, _WIDTH, 1))
    attention = Attention(zero, zero, _OPPOSED * np.eye(_WIDTH)[None])
    block = Block(attention, norm_1=Norm(fixed_std=OPPOSED_SIGMA))
    rng = generator(seed, "tokens around a common one", _TOKENS, _WIDTH)
    tokens = 1.5 * rng.standard_normal(_WIDTH) + rng.standard_normal((1, _TOKENS, _WIDTH))
    return trace_centred([block] * _DEPTH, tokens)


def compute(settings: Settings) -> Dataset:
    """Return both distances and the product of v for each fixed sigma and the counterexample."""
    seeds = range(settings.seed, settings.seed + 1)
    traces = [trace(_stack_at(sigma), seeds=seeds) for sigma in _SIGMAS]
    traces.append(_counterexample(settings.seed))
    grid = ("run", "depth")
    v = np.stack([run.blocks["v"][:, 0] for run in traces])
    labels = [f"$\\sigma$ = {sigma:g}" for sigma in _SIGMAS]
    labels.append(f"$V=-\\frac{{1}}{{2}}I$, $\\sigma$ = {OPPOSED_SIGMA:g}")
    sup = v.max(axis=1)
    relative, norm = _tokens(traces, "relative_distance"), _tokens(traces, "norm")
    absolute = _tokens(traces, "log10_distance")
    return Dataset(
        {
            "absolute": Variable(grid, absolute, "log10 of d_M"),
            "norm": Variable(grid, np.log10(norm), "log10 of |H|"),
            "bound": Variable(
                grid, absolute[:, :1] + _products(v), "log10 of d_M(0) times the product of v"
            ),
            "relative": Variable(grid, relative, "d_M / |H|"),
            "v": Variable(("run", "block"), v, "block coefficient v"),
            "sup_v": Variable(("run",), sup, "largest v of the blocks"),
        },
        coords={
            "label": Variable(
                ("run",),
                np.asarray([f"{a}: sup $v$ = {b:.2f}" for a, b in zip(labels, sup, strict=True)]),
                "name of the run",
            ),
            "depth": Variable(("depth",), np.arange(_DEPTH + 1), "blocks applied"),
            "sigma": Variable(
                ("run",), np.asarray([*_SIGMAS, OPPOSED_SIGMA]), "what LN divides by"
            ),
        },
        attrs={
            "stack": repr(_stack_at(_SIGMAS[0])),
            "relative_lowest": float(relative[:-1, -1].min()),
            "relative_highest": float(relative[:-1, -1].max()),
            "opposed_first": float(relative[-1, 0]),
            "opposed_last": float(relative[-1, -1]),
            "v_lowest": float(sup[:-1].min()),
            "v_highest": float(sup[:-1].max()),
            "v_opposed": float(sup[-1]),
        },
    )


def _tokens(traces: list[Trace], name: str) -> Values:
    return np.stack([run.tokens[name][:, 0] for run in traces])


def _products(v: Values) -> Values:
    """Return log10 of the product of the first 0, 1, ... factors in each row."""
    return np.concatenate([np.zeros((len(v), 1)), np.cumsum(np.log10(v), axis=1)], axis=1)


def refuted(data: Dataset) -> bool:
    """Whether the distance leaves its bound or stays, or the relative one depends on sigma.

    It takes a run with v < 1 to say anything: without one the caption is refuted, too.
    """
    small, absolute, relative = data["sup_v"] < 1, data["absolute"], data["relative"]
    falls = absolute[:, -1] < absolute[:, 0] - 1
    within = absolute <= data["bound"] + 1e-9
    merged = relative[:, -1] < 0.1 * relative[:, 0]
    apart = np.ptp(relative[:-1, -1]) > 0.01
    rises = relative[-1, -1] > relative[-1, 0]
    true = falls.all() and within.all() and rises and small.any() and not apart
    return bool(not true or (small & merged).any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the absolute distance under its bound, and the relative distance, against depth."""
    absolute, relative = canvas.subplots(1, 2)
    for run, label in enumerate(data["label"]):
        last = run == len(data["label"]) - 1
        style = {"color": "black" if last else f"C{run}", "ls": "-"}
        absolute.plot(data["depth"], data["absolute"][run], label=label, **style)
        absolute.plot(data["depth"], data["bound"][run], **{**style, "ls": ":"}, lw=0.9)
        # every second run is dashed so that curves that coincide are all seen
        relative.plot(
            data["depth"],
            data["relative"][run],
            **{**style, "ls": (run * 2, (2, 6))} if not last else style,
        )
    absolute.set(title=r"(a) absolute; dotted: $d_M(0)\,\prod v$", ylabel=r"$\log_{10}\, d_M$")
    absolute.legend(loc="lower left", fontsize=7.5)
    relative.text(12, 0.8, r"all four $\sigma$", ha="right", va="top")
    relative.text(12, 0.985, r"$V=-\frac{1}{2}I$", va="top")
    relative.set(title="(b) relative", ylabel=r"$d_M/\|H\|$", ylim=(0, 1.03))
    for axes in (absolute, relative):
        axes.set(xlabel="depth (blocks)", xlim=(0, None))


FIGURE = Figure(
    name="fixed_sigma",
    title="Norms that divide by a fixed \u03c3: everything shrinks, not only the differences",
    caption=(
        "With a fixed \u03c3 the absolute distance to consensus falls within its bound for sup v "
        "from {v_highest:.2f} to {v_lowest:.2f}, while the relative distance ends between "
        "{relative_lowest:.3f} and {relative_highest:.3f} for all four \u03c3, and with V = "
        "\u2212I/2 (v = {v_opposed:.2f}) it even rises from {opposed_first:.2f} to "
        "{opposed_last:.3f}; an absolute distance above its bound or less than ten times smaller "
        "at the end, relative distances that end more than 0.01 apart, or tokens that become "
        "alike (relative distance down to a tenth) where sup v < 1, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.7),
    seconds=4,
)
