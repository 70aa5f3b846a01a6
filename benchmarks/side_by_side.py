"""How fast and how exact is the engine, beside the best of what a careful researcher writes?"""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks.peers import Peer, Work, available
from benchmarks.rows import DEFAULT, Row, Size, seconds, stack
from simulations.engine.measures import measure_tile
from simulations.engine.spectra import weight_brackets
from simulations.engine.squaring import group_bracket
from simulations.engine.surveys import Quantity, grid, survey
from simulations.machine.backends import backend
from simulations.stacks.stack import Stack
from simulations.stacks.weights import draw_weights, empty_weights

NAMES = {"mixing": "mixing", "output": "output", "in": "ffn_in", "out": "ffn_out"}
"""What the peers call weights, and what the engine does."""


def stack_of(work: Work) -> Stack:
    """Return the engine's name for a peer's work."""
    return Stack(
        depth=work.depth, tokens=work.tokens, width=work.width, heads=work.heads,
        ffn_width=work.ffn_width, activation="relu",
    )  # fmt: skip


def peer_rows(size: Size) -> list[Row]:
    """Measure draw, forward and readings of the same work, in turns; compiled once before."""
    rows, on = [], backend(dtype="float32")
    for cells, what, wanted, goal in (
        (8, "all measures", DEFAULT, 2.5),
        (1, "all measures", DEFAULT, 2.0),
        (8, "cosine", DEFAULT[:1], 1.0),
    ):
        work = Work(4 * size.depth, 64, 64, 4, 256, tuple(np.linspace(0.5, 2, cells).tolist()))
        made = grid(stack_of(work), value_gain=work.gains)
        peers = available(work, compiled=size.long)
        if not peers:
            return []
        seeds = range(size.seeds // 4 or 1)
        times = _in_turns(made, peers, seeds, wanted, on, turns=size.turns)
        stacks = len(seeds) * cells
        each = {name: 1e3 * median(found) / stacks for name, found in times.items()}
        best = min((name for name in each if name != "ours"), key=each.__getitem__)
        figure = median(a / b for a, b in zip(times[best], times["ours"], strict=True))
        key = f"peers-{'all' if len(wanted) > 1 else 'forward'}-{cells}"
        name = f"draw, forward, {what}, f32, {cells} cell{'s' * (cells > 1)} a draw, against {best}"
        rows.append(Row(key, name, figure, goal, "more", note="ms a stack", others=each))
    return rows


def _in_turns(
    made: Sequence[Stack],
    peers: Sequence[Peer],
    seeds: range,
    wanted: Sequence[Quantity],
    on: Any,
    *,
    turns: int,
) -> dict[str, list[float]]:
    """Return the processor times of everyone, each warmed up before the clock runs."""
    measured = len(wanted) > 1
    work: dict[str, Any] = {"ours": lambda: survey(made, seeds=seeds, on=on, quantities=wanted)}
    for peer in peers:
        work[peer.name] = lambda peer=peer: peer.survey(seeds, measured=measured)
    for each in work.values():
        each()
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(turns):
        for name, each in work.items():
            times[name].append(seconds(each))
    return times


# --- accuracy -----------------------------------------------------------------------------------


def accuracy_rows() -> list[Row]:
    """Measure the largest relative errors of lambda, s and d_M, on the very same float32 arrays.

    The truth is the float64 of NumPy and LAPACK on what the arrays hold. Attention is anything
    between uniform and nearly a permutation, tokens anything between far and near consensus.
    The engine gives upper ends of brackets, to a per cent as asked: its errors of lambda and s are
    that width, on the safe side; those of the peers are on either side.
    """
    peers = available(Work(1, 64, 64, 4, 256), compiled=False)
    rng = np.random.default_rng(0)
    scores = (
        rng.standard_normal((9, 4, 64, 64)) * 10.0 ** np.linspace(-3, 1, 9)[:, None, None, None]
    )
    exps = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attention = (exps / exps.sum(axis=-1, keepdims=True)).astype("float32")
    apart = 10.0 ** -np.arange(8.0)[:, None, None]
    tokens = rng.standard_normal((8, 1, 64)) + apart * rng.standard_normal((8, 64, 64))
    tokens = tokens.astype("float32")
    made = stack(64, 64, 4)
    weights = empty_weights(made, seeds=4, dtype=np.dtype("float32"))
    for row in range(4):
        draw_weights(made, weights, row, seed=row, layer=0)
    named = {name: getattr(weights, own) for name, own in NAMES.items()}
    truth = {
        "lambda": np.linalg.norm(_centred(attention), 2, axis=(-2, -1)).max(axis=-1) ** 2,
        "s": _largest_norm(named),
        "distance": np.linalg.norm(_centred(tokens), axis=(-2, -1)),
    }
    root = group_bracket(attention[:, None], tolerance=1e-2, deviations=True).upper
    brackets = weight_brackets(made, weights, tolerance=1e-2)
    ffn = np.maximum(*(each.upper for each in (brackets.ffn_in, brackets.ffn_out) if each))
    ours = {
        "lambda": root.astype("float64").max(axis=(1, 2)) ** 2,
        "s": np.maximum(brackets.value.upper.max(axis=-1), ffn),
        "distance": measure_tile(tokens[:, None], quantities=("distance",))["distance"][:, 0],
    }
    found = {"ours": ours} | {peer.name: peer.measured(attention, tokens, named) for peer in peers}
    rows = []
    for key, exact in truth.items():
        wrong = {
            name: float(np.abs(np.asarray(each[key], dtype="float64") / exact - 1).max())
            for name, each in found.items()
        }
        words = {"lambda": "lambda", "s": "s", "distance": "d_M, down to 1e-7 of the tokens"}[key]
        what = f"largest relative error of {words}, f32"
        rows.append(Row(f"accuracy-{key}", what, wrong["ours"], None, "less", "", "", others=wrong))
    return rows


def _centred(rows: Any) -> Any:
    """Return rows minus their mean, twice, so that it is accurate relative to itself."""
    wide = rows.astype("float64")
    for _ in range(2):
        wide = wide - wide.mean(axis=-2, keepdims=True)
    return wide


def _largest_norm(named: dict[str, Any]) -> Any:
    wide = {name: each.astype("float64") for name, each in named.items()}
    s, d, _ = wide["output"].shape
    value = wide["mixing"][..., 2 * d :].reshape(s, d, 4, d // 4).swapaxes(1, 2)
    products = value @ wide["output"].reshape(s, 4, d // 4, d)
    heads = np.linalg.norm(products, 2, axis=(-2, -1)).max(axis=-1)
    ffn = (np.linalg.norm(wide[name], 2, axis=(-2, -1)) for name in ("in", "out"))
    return np.maximum(heads, np.maximum(*ffn))
