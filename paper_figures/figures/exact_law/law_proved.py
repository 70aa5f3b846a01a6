"""Figure: of which random networks is it proved that consensus attracts, and of which it repels?"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from simulations.stacks.graphs import graph_by_name
from simulations.stacks.seeds import generator
from theory.blocks.weights import Attention, Block, FeedForward
from theory.law.transverse import transverse_rates
from theory.proofs.law import prove_law

_GRAPHS = {"complete": "full attention", "causal": "causal"}
_VERDICTS = ("attracts", "repels", "undecided", "unsettled")
_WORDS = ("proved: attracts", "proved: repels", "enclosed, undecided", "no token settled")
_COLOURS = ("#9ecae1", "#e6550d", "#fdd0a2", "#d9d9d9")
_TOKENS, _WIDTH, _FFN_GAIN, _BIAS = 4, 6, 0.4, 0.2


def network(gain: float, spread: float, *, seed: int) -> tuple[Block, Values]:
    """Return a post-LN block whose value matrix is gain I + spread N, N random, and a token.

    A gain between -2 and 0 takes away from all tokens what they share, and the norm then makes
    what is left of their differences larger.
    """
    rng, d = generator(seed, "law proved"), _WIDTH

    def drawn(*shape: int) -> Values:
        out: Values = rng.standard_normal(shape) / shape[0] ** 0.5
        return out

    value = gain * np.eye(d) + spread * drawn(d, d)
    first, second = (_BIAS * rng.standard_normal(d) for _ in range(2))
    ffn = FeedForward(drawn(d, 2 * d), _FFN_GAIN * drawn(2 * d, d), None, second, "gelu")
    return Block(Attention(None, None, value[None], bias=first), ffn), rng.standard_normal(d)


def compute(settings: Settings) -> Dataset:
    """Return the verdict and the bounds at every place of a plane, on two graphs."""
    gains = np.linspace(-3.0, 1.0, 5 if settings.quick else 11)
    spreads = np.linspace(0.1, 1.3, 2 if settings.quick else 5)
    shape = (len(_GRAPHS), len(spreads), len(gains))
    verdict = np.full(shape, _VERDICTS.index("unsettled"))
    low, high, rate, error = (np.full(shape, np.nan) for _ in range(4))
    for i, j, k in np.ndindex(*shape):
        graph = graph_by_name(list(_GRAPHS)[i], _TOKENS)
        block, token = network(float(gains[k]), float(spreads[j]), seed=settings.seed)
        found = prove_law(block, graph, token)
        if found.transverse is None:
            continue
        verdict[i, j, k] = _VERDICTS.index(found.verdict)
        low[i, j, k], high[i, j, k] = found.transverse
        law = transverse_rates(block, graph, token)
        rate[i, j, k], error[i, j, k] = law.rate, law.error
    outside = ((rate < low - error) | (rate > high + error)).sum()
    counts = {name: int((verdict == place).sum()) for place, name in enumerate(_VERDICTS)}
    grid = ("graph", "spread", "gain")
    enclosed = np.isfinite(low)
    return Dataset(
        {
            "verdict": Variable(grid, verdict, "0 attracts, 1 repels, 2 undecided, 3 no token"),
            "low": Variable(grid, low, "the largest transverse factor is at least"),
            "high": Variable(grid, high, "the largest transverse factor is at most"),
            "rate": Variable(grid, rate, "the law in floats"),
        },
        coords={
            "graph": Variable(("graph",), np.asarray(list(_GRAPHS.values())), "who hears whom"),
            "gain": Variable(("gain",), gains, "what V has of the unit matrix"),
            "spread": Variable(("spread",), spreads, "what V has of a random matrix"),
        },
        attrs={
            **counts,
            "cells": int(verdict.size),
            "outside": int(outside),
            "widest": float((high - low)[enclosed].max()) if enclosed.any() else 0.0,
            "tokens": _TOKENS,
            "width": _WIDTH,
        },
    )


def refuted(data: Dataset) -> bool:
    """Whether floats leave the proved bounds, or one of the two verdicts is never proved."""
    told = data.attrs
    return bool(told["outside"] or not told["attracts"] or not told["repels"])


def draw(canvas: Canvas, data: Dataset) -> None:
    """Colour every network by what is proved of it."""
    panels: list[Axes] = list(canvas.subplots(1, len(data["graph"]), sharey=True))
    for i, (axes, graph) in enumerate(zip(panels, data["graph"], strict=True)):
        axes.pcolormesh(
            data["gain"],
            data["spread"],
            data["verdict"][i],
            cmap=ListedColormap(_COLOURS),
            vmin=-0.5,
            vmax=len(_COLOURS) - 0.5,
            shading="nearest",
            edgecolors="white",
            linewidth=0.5,
        )
        axes.set_title(str(graph))
        axes.set_xlabel("gain $g$")
    panels[0].set_ylabel("spread $s$")
    handles = [
        Patch(color=colour, label=word) for colour, word in zip(_COLOURS, _WORDS, strict=True)
    ]
    canvas.legend(handles=handles, loc="outside upper center", ncols=len(handles))


FIGURE = Figure(
    name="law_proved",
    title="What is proved of random networks: consensus attracts, or repels",
    caption=(
        "Each cell is one post-LN block of {width} features with V = g I + s N, N random, repeated "
        "for ever on {tokens} tokens: of {cells} networks {attracts} are proved to be attracted to "
        "consensus and {repels} to be repelled from it, near the token that equal tokens settle "
        "at; in {undecided} the bounds leave 1 between them, and in {unsettled} the token settles "
        "at no point and on no short cycle, so that there is nothing to enclose; the bounds on the "
        "largest factor a layer are at most {widest:.1g} apart, and the law in floats leaves them "
        "in {outside} networks; one in which it does would refute it, or a plane without both "
        "verdicts."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.9),
    seconds=24,
)
