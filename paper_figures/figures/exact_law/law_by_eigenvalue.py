"""Figure: how does the rate depend on a graph's eigenvalue, and do simulated modes obey it?"""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from paper_figures.figures.exact_law.configurations import graph
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from simulations.law.differences import simulate_differences
from simulations.law.networks import draw_network
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Stack
from theory.blocks.weights import Block
from theory.graphs.conversions import random_walk
from theory.law.orbits import find_attractor
from theory.law.rates import mode_rates

_TOKENS, _WIDTH = 16, 16
_BASE = Stack(
    depth=1,
    tokens=_TOKENS,
    width=_WIDTH,
    heads=2,
    ffn_width=2 * _WIDTH,
    ffn_gain=0.5,
    activation="gelu",
    tied=True,
)
STACKS = {
    "value gain 0.5": replace(_BASE, value_gain=0.5),
    "value gain 2": replace(_BASE, value_gain=2.0),
    "$V$ near $-0.4\\,I$": replace(_BASE, value_gain=-0.4, weights="identity"),
}
SHOWN_GRAPHS = ("complete", "star", "tree", "small world", "ring", "path", "bipartite", "causal")
QUICK_GRAPHS = ("complete", "ring", "bipartite")
PLANE = 1  # the stack whose rates at complex eigenvalues are shown
ARCS = ("directed ring", "random arcs")
_LAYERS = 120
_FAINTEST = 25.0  # a mode is read while it is less than e^-25 of what rounding could have excited


def compute(settings: Settings) -> Dataset:
    """Return each stack's curve, the modes of graphs simulated one by one, and the plane."""
    names = QUICK_GRAPHS if settings.quick else SHOWN_GRAPHS
    layers = _LAYERS // 2 if settings.quick else _LAYERS
    mu = np.linspace(-1, 1, 41 if settings.quick else 161)
    curves, methods, modes = [], [], list[tuple[int, int, float, float, float]]()
    spectra = [_modes(name, settings.seed) for name in names]
    for number, stack in enumerate(STACKS.values()):
        block, point = _settled(stack, settings.seed)
        rates = mode_rates(block, mu, point, depth=1)
        curves.append(rates.rates)
        methods.append(rates.method)
        for place, name in enumerate(names):
            found = _simulate(block, point, name, *spectra[place], settings.seed, layers)
            modes += [(number, place, value.real, a, b) for value, a, b in found]
    stack_of, graph_of = (np.asarray([m[i] for m in modes], dtype=np.int64) for i in (0, 1))
    eigenvalue, law, simulated = (np.asarray([m[i] for m in modes]) for i in (2, 3, 4))

    block, point = _settled(list(STACKS.values())[PLANE], settings.seed)
    radius = np.linspace(0, 1, 9 if settings.quick else 25)
    angle = np.linspace(0, np.pi, 13 if settings.quick else 37)
    disc = radius * np.exp(1j * angle)[:, None]
    half = mode_rates(block, disc.ravel(), point, depth=1).rates.reshape(disc.shape)
    plane = np.concatenate([half, half[-2::-1]])  # conjugates have one rate
    disc = np.concatenate([disc, disc[-2::-1].conj()])
    complex_modes = [
        (value, a, b, place)
        for place, name in enumerate(ARCS)
        for value, a, b in _simulate(
            block, point, name, *_modes(name, settings.seed), settings.seed, layers
        )
    ]
    off = np.abs(simulated / law - 1)
    off_plane = np.asarray([abs(b / a - 1) for _, a, b, _ in complex_modes])
    slowest = np.asarray([mu[np.argmax(curve)] for curve in curves])
    at_zero = np.asarray([np.interp(0, mu, curve) for curve in curves])
    one = ("mode",)
    arc = ("arc",)
    return Dataset(
        {
            "curve": Variable(("stack", "mu"), np.stack(curves), "rate rho(mu)"),
            "slowest": Variable(("stack",), slowest, "mu of the largest rate in [-1, 1]"),
            "law": Variable(one, law, "rate of the mode by the law"),
            "simulated": Variable(one, simulated, "factor a layer of the simulated mode"),
            "plane": Variable(("angle", "radius"), plane, "rate rho(mu), complex mu"),
            "arc_law": Variable(arc, np.asarray([m[1] for m in complex_modes]), "rate by the law"),
            "arc_simulated": Variable(
                arc, np.asarray([m[2] for m in complex_modes]), "factor a layer, simulated"
            ),
        },
        coords={
            "stack": Variable(("stack",), np.asarray(list(STACKS)), "name of the stack"),
            "mu": Variable(("mu",), mu, "eigenvalue of the random walk"),
            "stack_of": Variable(one, stack_of, "stack of the mode"),
            "graph_of": Variable(one, graph_of, "graph of the mode"),
            "eigenvalue": Variable(one, eigenvalue, "eigenvalue of the mode"),
            "graph": Variable(("graph",), np.asarray(names), "graph"),
            "real": Variable(("angle", "radius"), disc.real, "real part"),
            "imaginary": Variable(("angle", "radius"), disc.imag, "imaginary part"),
            "arc_real": Variable(arc, np.asarray([m[0].real for m in complex_modes]), "real part"),
            "arc_imaginary": Variable(
                arc, np.asarray([m[0].imag for m in complex_modes]), "imaginary part"
            ),
            "arc_graph": Variable(
                arc, np.asarray([ARCS[m[3]] for m in complex_modes]), "directed graph"
            ),
        },
        attrs={
            "stacks": "; ".join(f"{name}: {stack!r}" for name, stack in STACKS.items()),
            "methods": ", ".join(methods),
            "modes": len(modes),
            "arcs": len(complex_modes),
            "median": float(np.median(off)),
            "worst": float(off.max()),
            "worst_arc": float(off_plane.max()),
            "zero_lowest": float(at_zero.min()),
            "zero_highest": float(at_zero.max()),
            "negative_slowest": int((slowest < 0).sum()),
            "negative_mu": float(slowest[-1]),
            "negative_rate": float(curves[-1].max()),
            "negative_at_one": float(curves[-1][-1]),
        },
    )


def _settled(stack: Stack, seed: int) -> tuple[Block, Values]:
    """Return the block, and a token of its attractor if it has one."""
    block, token = draw_network(stack, seed=seed)
    assert isinstance(block, Block)
    assert token is not None
    attractor = find_attractor(block, token)
    return block, token if attractor is None else attractor.points[0]


def _modes(name: str, seed: int) -> tuple[Values, Values]:
    """Return a walk's eigenvalues and its modes as columns, each once, without the constant one."""
    values, modes = np.linalg.eig(random_walk(graph(name, _TOKENS, seed=seed)))
    order = np.lexsort((values.imag, values.real))[::-1]
    values, modes = values[order], modes[:, order]
    kept = [
        i
        for i, value in enumerate(values)
        if value.imag >= -1e-12 and not (np.abs(values[:i] - value) < 1e-8).any()
    ]
    return values[kept[1:]], modes[:, kept[1:]]


def _simulate(
    block: Block, token: Values, name: str, values: Values, modes: Values, seed: int, layers: int
) -> list[tuple[complex, float, float]]:
    """Return (eigenvalue, law, simulated rate) of each mode that rounding leaves alone."""
    mask = graph(name, _TOKENS, seed=seed)
    law = mode_rates(block, values, token, depth=1).rates
    slowest = float(mode_rates(block, np.linalg.eigvals(random_walk(mask)), token).rates.max())
    shape = generator(seed, "law mode", _WIDTH).standard_normal((2, _WIDTH))
    found = []
    for value, mode, rate in zip(values, modes.T, law, strict=True):
        # Rounding excites slower modes, which then grow on this one.
        lead = np.log(slowest / rate)
        run = layers if lead * layers < _FAINTEST else int(_FAINTEST / lead)
        if run < 24:
            continue
        real = np.outer(mode.real, shape[0]) - np.outer(mode.imag, shape[1])
        logs = simulate_differences(block, mask, token, real, layers=run, judged=0).simulated
        late = np.exp((logs[-1] - logs[run // 2]) / (run - run // 2))
        found.append((complex(value), float(rate), float(late)))
    return found


def refuted(data: Dataset) -> bool:
    """Whether a mode is off its curve, or no stack is slowest at a negative eigenvalue."""
    off = np.abs(data["simulated"] / data["law"] - 1)
    arcs = np.abs(data["arc_simulated"] / data["arc_law"] - 1)
    return bool(
        (off > 0.1).any()
        or np.median(off) > 0.01
        or (arcs > 0.1).any()
        or not (data["slowest"] < 0).any()
    )


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the curves with simulated modes on them, the spectra below, and the plane beside."""
    grid = canvas.add_gridspec(2, 2, width_ratios=(1.25, 1), height_ratios=(2.1, 1))
    curve, rug = canvas.add_subplot(grid[0, 0]), canvas.add_subplot(grid[1, 0])
    for index, name in enumerate(data["stack"]):
        colour = f"C{index}"
        curve.plot(data["mu"], data["curve"][index], color=colour, lw=1, label=name)
        modes = data["stack_of"] == index
        style: dict[str, Any] = {
            "ls": "",
            "marker": "o",
            "ms": 3,
            "mfc": "white",
            "mec": colour,
            "mew": 0.7,
        }
        curve.plot(data["eigenvalue"][modes], data["simulated"][modes], **style)
    curve.axhline(1, color="0.6", lw=0.6, zorder=0)
    curve.set(title="(a) law (lines), single modes simulated (circles)")
    curve.set(ylabel=r"rate $\rho(\mu)$", xlim=(-1.03, 1.03))
    curve.tick_params(labelbottom=False)
    curve.legend(loc="best")
    only = data["stack_of"] == 0
    rug.plot(
        data["eigenvalue"][only],
        data["graph_of"][only],
        ls="",
        marker="|",
        ms=6,
        mew=0.8,
        color="0.2",
    )
    rug.set_yticks(range(len(data["graph"])), list(data["graph"]), fontsize=7)
    rug.set(xlabel=r"eigenvalue $\mu$ of the walk", xlim=(-1.03, 1.03))
    rug.set_ylim(-0.7, len(data["graph"]) - 0.3)
    _plane(canvas, canvas.add_subplot(grid[:, 1]), data)


def _plane(canvas: Canvas, axes: Axes, data: Dataset) -> None:
    low, high = float(data["plane"].min()), float(data["plane"].max())
    place = (data["real"], data["imaginary"], data["plane"])
    filled = axes.contourf(*place, levels=np.linspace(low, high, 25))
    axes.contour(*place, levels=[1.0], colors="C1")
    ticks = np.linspace(low, high, 5)
    bar = canvas.colorbar(filled, ax=axes, orientation="horizontal", shrink=0.85, pad=0.02)
    bar.set_ticks(list(ticks), labels=[f"{value:.2f}" for value in ticks])
    bar.set_label(r"rate $\rho(\mu)$, law and simulated")
    for marker, name in zip("os", ARCS, strict=True):
        chosen = data["arc_graph"] == name
        style: dict[str, Any] = {
            "marker": marker,
            "edgecolors": "white",
            "linewidths": 0.9,
            "s": 34,
        }
        axes.scatter(
            data["arc_real"][chosen],
            data["arc_imaginary"][chosen],
            c=data["arc_simulated"][chosen],
            vmin=low,
            vmax=high,
            zorder=3,
            **style,
        )
        axes.scatter([], [], label=name, fc="none", ec="black", marker=marker, s=34, lw=0.9)
    axes.plot([], [], color="C1", label=r"$\rho = 1$")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, columnspacing=1.0)
    axes.set(aspect="equal", xlabel=r"Re $\mu$", ylabel=r"Im $\mu$")
    axes.set_title(f"(b) complex: {data['stack'][PLANE]}; filled marks: simulated", fontsize=8.5)


FIGURE = Figure(
    name="law_by_eigenvalue",
    title="One curve for all graphs: the rate against the eigenvalue of the random walk",
    caption=(
        "Single modes of networkx graphs, simulated far below round-off, lie on the curve that a "
        "tied post-LN stack has without any graph ({modes} real modes, off by {median:.1g-up} in "
        "the median and {worst:.2g-up} at worst, where conjugate pairs still turn; {arcs} complex "
        "modes of directed graphs, by at most {worst_arc:.2g-up}); full attention reads it at "
        "\u03bc = 0, between {zero_lowest:.2f} and {zero_highest:.2f} here, and the slowest mode "
        "need not have the largest \u03bc: values near a negative multiple of the identity put it "
        "at \u03bc = {negative_mu:.2f} (rate {negative_rate:.3f}, against {negative_at_one:.3f} at "
        "\u03bc = 1); a mode 10 % off its curve, a median off by more than 0.01, or no stack that "
        "is slowest at a negative \u03bc, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.4),
    seconds=117,
)
