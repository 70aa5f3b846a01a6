"""Which networks on which graphs is the law put beside a simulation on?"""

from typing import Any, NamedTuple

import numpy as np

from simulations.law.comparison import Comparison, law_beside_simulation
from simulations.stacks.graphs import graph_by_name
from simulations.stacks.stack import Stack

GRAPHS = (
    *("complete", "path", "ring", "star", "tree", "small-world", "scale-free", "causal"),
    *("window", "causal-window", "two components"),
)
PLACEMENTS = ("post", "post", "pre", "sandwich")
"""Post-LN twice, since law <= sharp <= theorem is asked of it."""


class Configuration(NamedTuple):
    """A network, a graph by name, its mask, and the seed of everything random."""

    stack: Stack
    graph: str
    mask: np.ndarray[Any, Any]
    seed: int


def configuration(seed: int, *, largest: int = 64) -> Configuration:
    """Draw a configuration: n and d from 4 to ``largest``, every placement, graph and driver."""
    rng = np.random.default_rng([seed, 27])
    kind = GRAPHS[seed % len(GRAPHS)]
    n = int(np.exp(rng.uniform(np.log(4), np.log(largest + 1))))
    width = 2 * int(np.exp(rng.uniform(np.log(2), np.log(largest / 2 + 1))))
    name = kind
    if kind in ("window", "causal-window"):
        name = f"{kind}:{int(rng.integers(1, max(2, n // 4)))}"
    if kind == "two components":
        first = int(rng.integers(1, n))
        name = f"blocks:{first},{n - first}"
    norm = str(rng.choice(("layer", "layer", "rms", "none")))
    placement = str(rng.choice(PLACEMENTS))
    options: dict[str, Any] = {
        "tokens": n,
        "width": width,
        "heads": int(rng.choice((1, 2))),
        "ffn_width": int(rng.choice((0, width, 2 * width))),
        "depth": 24,
        "tied": bool(rng.random() < 0.75),
        "norm": norm,
        "placement": placement,
        "activation": str(rng.choice(("relu", "gelu", "silu", "tanh"))),
        "value_gain": float(rng.choice((-1, 1)) * np.exp(rng.uniform(-1.5, 0.7))),
        "ffn_gain": float(np.exp(rng.uniform(-1.5, 0.7))),
        "residual": float(rng.choice((1.0, 1.0, 0.5, 2.0))),
        "bias_std": float(rng.choice((0.0, 0.0, 0.3))),
        "ln_eps": float(rng.choice((0.0, 1e-5))),
    }
    if norm == "none":  # without a norm, tokens that grow have a limit only if nothing has a scale
        options |= {"activation": "relu", "bias_std": 0.0, "ln_eps": 0.0, "placement": "post"}
    elif rng.random() < 0.15:
        options["fixed_std"] = float(np.exp(rng.uniform(0.3, 1.5)))
    if options["residual"] > 1 and placement != "post":
        # Tokens grow by that factor a layer and leave float64 long before a limit.
        options["tied"] = False
    stack = Stack(**options)
    return Configuration(stack, name, graph_by_name(name, n, seed=seed), seed)


def compare(
    drawn: Configuration, *, layers: int | None = None, law_layers: int = 500
) -> Comparison:
    """Put simulation, law and theorem beside each other on a configuration."""
    return law_beside_simulation(
        drawn.stack, drawn.mask, seed=drawn.seed, layers=layers, law_layers=law_layers
    )
