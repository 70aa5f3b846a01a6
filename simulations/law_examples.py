"""Which blocks push equal tokens apart, and so keep a network from over-smoothing?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from typing import NamedTuple

import numpy as np

from simulations.centred import rollout
from simulations.ensembles import Stack
from simulations.law import Comparison, draw_network, law_beside_simulation
from simulations.law_graphs import graph_by_name
from simulations.seeds import generator
from theory.layers import Block


@dataclass(frozen=True)
class Example:
    """A tied stack on a graph by name, and why differences between tokens should grow there."""

    name: str
    why: str
    stack: Stack
    graph: str
    seed: int


_SMALL = Stack(tokens=8, width=16, heads=2, ffn_width=64, tied=True, depth=24)
_WIDE = Stack(
    tokens=8,
    width=32,
    heads=2,
    ffn_width=128,
    tied=True,
    depth=24,
    activation="tanh",
    ffn_gain=8.0,
    value_gain=0.2,
)

REPELLING = (
    Example(
        "chaotic feed-forward",
        "a large tanh feed-forward makes the token's own orbit chaotic: neighbours part, and "
        "full attention, which acts on no difference, cannot hold them",
        _WIDE,
        "complete",
        1,
    ),
    Example(
        "chaotic feed-forward, causal",
        "the same network: each token hears itself and those before it",
        _WIDE,
        "causal",
        1,
    ),
    Example(
        "mask, calm network",
        "the token rests at a fixed point and full attention attracts; on a ring the eigenvalue "
        "-1/3 turns what averaging takes away into what it adds",
        Stack(**(vars(_SMALL) | {"ffn_gain": 8.0, "value_gain": 0.5})),
        "ring",
        1,
    ),
    Example(
        "mask, calm network, star",
        "the same network on a star, whose negative eigenvalue is 1/8 - 1/2",
        Stack(**(vars(_SMALL) | {"ffn_gain": 8.0, "value_gain": 0.5})),
        "star",
        1,
    ),
    Example(
        "negative value gain",
        "what a token hears is taken away from it: the token itself, which hears only itself, "
        "shrinks before its norm, and modes that hear less of themselves are lifted by it",
        Stack(**(vars(_SMALL) | {"activation": "tanh", "ffn_gain": 8.0, "value_gain": -1.0})),
        "star",
        0,
    ),
)
"""Networks whose law is above 1; `repelling_examples` measures them."""


class Repelled(NamedTuple):
    """An example, measured on its graph and on the complete graph, and what becomes of it.

    ``relative_distance`` is d_M / |H| after many layers of the whole network, from tokens that
    began 1e-6 apart, the largest over the last layers: where M repels it does not stay small.
    """

    example: Example
    found: Comparison
    complete: Comparison
    relative_distance: float


def repelling_examples(
    *, layers: int | None = None, law_layers: int = 2000, depth: int = 800
) -> Iterator[Repelled]:
    """Measure all of `REPELLING`: what is said of them is computed, not quoted."""
    for example in REPELLING:
        found, complete = (
            law_beside_simulation(
                example.stack,
                graph_by_name(name, example.stack.tokens),
                seed=example.seed,
                layers=layers,
                law_layers=law_layers,
            )
            for name in (example.graph, "complete")
        )
        yield Repelled(example, found, complete, far_apart(example, depth=depth))


def far_apart(example: Example, *, depth: int = 800, spread: float = 1e-6) -> float:
    """Return the largest d_M / |H| in the last tenth of a run from nearly equal tokens."""
    block, token = draw_network(example.stack, seed=example.seed)
    assert isinstance(block, Block)
    assert token is not None
    noise = generator(example.seed, "nearly equal", example.stack.tokens, token.size)
    tokens = token + spread * noise.standard_normal((example.stack.tokens, token.size))
    mask = graph_by_name(example.graph, example.stack.tokens)
    states = islice(rollout(repeat(block), tokens, mask=mask), depth)
    logs = [float(after.log_scale - after.log_norm) for *_, after in states]
    return float(np.exp(max(logs[-max(1, depth // 10) :])))
