"""Figure 4: how do the tokens of a real stack run into the plane where all are equal?"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import circle, draw_graph
from simulations.centred.maps import from_tokens
from simulations.centred.rollout import rollout
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.blocks.forward import attention_adjacency

FIG4_STACK = Stack(
    depth=16, tokens=10, width=64, heads=4, ffn_width=128, ffn_gain=0.5, value_gain=0.7, tied=True
)
_STARTS = 6
_SHOWN = (0, 2, 4, 8, 16)  # depths of which the graph is drawn


def compute(settings: Settings) -> Dataset:
    """Return the trajectory of several starts in one stack, and one start's token graphs.

    A state H has a component in M, the mean token repeated, and the distance d_M to M. Of the
    former, the coordinate along the direction in which the trajectories differ most is kept.
    """
    seeds = range(settings.seed, settings.seed + _STARTS)
    blocks = list(draw_blocks(FIG4_STACK, seeds=range(settings.seed, settings.seed + 1)))
    tokens = draw_tokens(FIG4_STACK, seeds=seeds)
    states = [from_tokens(tokens), *(after for *_, after in rollout(blocks, tokens))]
    means = np.stack([state.centre[:, 0] for state in states])  # (depth + 1, starts, width)
    within = np.sqrt(FIG4_STACK.tokens) * means
    flat = within.reshape(-1, FIG4_STACK.width)
    axis = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    distance = np.stack([np.exp(state.log_scale) for state in states])

    shown = [states[depth] for depth in _SHOWN]
    colour = _colours([state.tokens[0] for state in shown])
    adjacency = np.stack(
        [
            attention_adjacency(blocks[0].attention, state.tokens[:1])[0].mean(axis=0)
            for state in shown
        ]
    )
    last = np.exp(states[-1].log_scale - states[-1].log_norm)
    falls = distance[1:] < distance[:-1]
    return Dataset(
        {
            "within": Variable(("depth", "start"), within @ axis, "coordinate within M"),
            "distance": Variable(("depth", "start"), distance, "distance d_M to M"),
            "colour": Variable(("shown", "token"), colour, "leading deviation from the mean"),
            "adjacency": Variable(
                ("shown", "listener", "heard"), adjacency, "attention, mean over the heads"
            ),
            "place": Variable(("token", "axis"), circle(FIG4_STACK.tokens), "place"),
        },
        coords={
            "depth": Variable(("depth",), np.arange(FIG4_STACK.depth + 1), "blocks applied"),
            "shown": Variable(("shown",), np.asarray(_SHOWN), "depth of a drawn graph"),
        },
        attrs={
            "stack": repr(FIG4_STACK),
            "starts": _STARTS,
            "last_relative": float(last.max()),
            "colours_left": float(np.ptp(colour[-1]) / np.ptp(colour[0])),
            "falls": int(falls.sum()),
            "steps": int(falls.size),
        },
    )


def _colours(states: list[Values]) -> Values:
    """Return every token's deviation along the leading direction, in units of |H| / sqrt(n)."""
    rows: list[Values] = []
    for tokens in states:
        rest = tokens - tokens.mean(axis=0)
        left, size, _ = np.linalg.svd(rest, full_matrices=False)
        leading = left[:, 0] * size[0] / np.linalg.norm(tokens) * np.sqrt(len(tokens))
        # a singular vector's sign is free: keep the one that fits the graph before
        sign = np.sign(leading @ rows[-1]) if rows else np.sign(leading[0])
        rows.append(leading * (sign or 1.0))
    return np.stack(rows)


def refuted(data: Dataset) -> bool:
    """The caption says that every trajectory ends near M, and the graph's colours fade."""
    return bool(data.attrs["last_relative"] > 0.1 or data.attrs["colours_left"] > 0.2)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the fading graphs above, the trajectories running into M below."""
    parts: Any = canvas.subfigures(2, 1, height_ratios=(1, 1.5))
    upper, lower = parts
    for axes, depth, colour, weights in zip(
        upper.subplots(1, len(data["shown"])),
        data["shown"],
        data["colour"],
        data["adjacency"],
        strict=True,
    ):
        draw_graph(
            axes,
            data["place"],
            weights,
            discs={"node_size": 45, "node_color": colour, "cmap": "RdBu", "vmin": -1, "vmax": 1},
            edges={"arrows": False, "edge_color": "0.5"},
            thickness=2.5,
        )
        axes.set_title(f"depth {depth}", loc="center")
        axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
    axes = lower.subplots()
    for start in range(data.attrs["starts"]):
        line = {"color": "0.6", "lw": 0.7, "zorder": 1}
        axes.plot(data["within"][:, start], data["distance"][:, start], **line)
        points = axes.scatter(
            data["within"][:, start], data["distance"][:, start], c=data["depth"], s=10, zorder=2
        )
    axes.axhline(0, color="black", lw=1.2)
    axes.set(
        xlabel="coordinate within the plane $M$ (thick line: all tokens equal)",
        ylabel="distance $d_M$",
        ylim=(0, None),
    )
    lower.colorbar(points, ax=axes, label="depth", pad=0.01)


FIGURE = Figure(
    name="fig4",
    title="Tokens fade to one, and the trajectory runs into M (the paper\u2019s figure 4)",
    caption=(
        "Simulated, not sketched: {starts} random inputs to one post-LN stack with tied weights "
        "move towards the plane M where all tokens are equal (d_M falls in {falls} of {steps} "
        "steps and ends at {last_relative:.2g} of the norm or less), while the tokens\u2019 "
        "graph, coloured by the leading deviation from the mean, fades to {colours_left:.2g} of "
        "its first range of colours; a trajectory that stays away from M (above a tenth of the "
        "norm), or a fifth of the colours left, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.0),
    seconds=2,
)
