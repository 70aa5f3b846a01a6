"""Which blocks push equal tokens apart, and so keep a network from over-smoothing?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from typing import NamedTuple

import numpy as np

from simulations.centred.rollout import rollout
from simulations.law.comparison import Comparison, law_beside_simulation
from simulations.numbers import Numbers
from simulations.stacks.graphs import graph_by_name
from theory.blocks.weights import Attention, Block, FeedForward
from theory.records import brief_repr

_TOKENS = 8


@brief_repr
@dataclass(frozen=True, eq=False)
class Example:
    """A tied block, the token to start from, a graph by name, and why differences should grow."""

    name: str
    why: str
    block: Block
    token: Numbers
    graph: str
    complete_attracts: bool

    @property
    def mask(self) -> Numbers:
        """Who listens to whom: boolean (8, 8)."""
        return graph_by_name(self.graph, _TOKENS)


@brief_repr
class Repelled(NamedTuple):
    """An example, measured on its graph and on the complete graph, and what becomes of it.

    ``relative_distance`` is d_M / |H| after many layers of the whole network, from tokens that
    began 1e-6 apart, the largest over the last layers: where M repels it does not stay small.
    """

    example: Example
    found: Comparison
    complete: Comparison
    relative_distance: float


def repelling() -> tuple[Example, ...]:
    """Return post-LN blocks whose law is above 1 on their graph; see `repelling_examples`."""
    chaotic, start = _drawn(1, 32, activation="tanh", ffn_gain=16.0, value_gain=0.1)
    other = start[:16]
    unit = np.eye(16)[None]
    negative = Block(Attention(unit, unit, -2.5 * unit))
    return (
        Example(
            "chaotic feed-forward",
            "a large tanh feed-forward makes the token's own orbit chaotic: neighbours part, and "
            "full attention, which acts on no difference, cannot hold them",
            chaotic,
            start,
            "complete",
            False,
        ),
        Example(
            "chaotic feed-forward, causal",
            "the same block: each token hears itself and those before it",
            chaotic,
            start,
            "causal",
            False,
        ),
        Example(
            "negative value gain, star",
            "LN(x - 2.5 A x) turns a token around, and the rate is |1 - 2.5 mu| / 1.5: below 1 "
            "for full attention, 1.29 at mu = 1/8 - 1/2: the mask turns what is taken away into "
            "what is added",
            negative,
            other,
            "star",
            True,
        ),
        Example(
            "negative value gain, ring",
            "the same block at mu = -1/3: 1.22",
            negative,
            other,
            "ring",
            True,
        ),
    )


def repelling_examples(
    *, layers: int | None = None, law_layers: int = 2000, depth: int = 800
) -> Iterator[Repelled]:
    """Measure all of `repelling`: what is said of them is computed, not quoted."""
    for example in repelling():
        found, complete = (
            law_beside_simulation(
                example.block,
                graph_by_name(name, _TOKENS),
                token=example.token,
                layers=layers,
                law_layers=law_layers,
            )
            for name in (example.graph, "complete")
        )
        distance = far_apart(example, graph=example.graph, depth=depth)
        yield Repelled(example, found, complete, distance)


def far_apart(example: Example, *, graph: str, depth: int = 800, spread: float = 1e-6) -> float:
    """Return the largest d_M / |H| in the last tenth of a run from nearly equal tokens."""
    noise = np.random.default_rng(0).standard_normal((_TOKENS, example.token.size))
    mask = graph_by_name(graph, _TOKENS)
    states = islice(
        rollout(repeat(example.block), example.token + spread * noise, mask=mask), depth
    )
    logs = [float(after.log_scale - after.log_norm) for *_, after in states]
    return float(np.exp(max(logs[-max(1, depth // 10) :])))


def _drawn(
    seed: int, width: int, *, activation: str, ffn_gain: float, value_gain: float
) -> tuple[Block, Numbers]:
    """Draw Gaussian weights of its own, so that an example stays what it is."""
    rng = np.random.default_rng([seed, 5])

    def matrix(*shape: int) -> Numbers:
        out: Numbers = rng.standard_normal(shape) / shape[-2] ** 0.5
        return out

    half, hidden = width // 2, 4 * width
    attention = Attention(
        matrix(2, width, half),
        matrix(2, width, half),
        value_gain * matrix(2, width, half),
        matrix(2, half, width) / 2**0.5,
    )
    inner, outer = matrix(width, hidden), ffn_gain * matrix(hidden, width)
    return Block(attention, FeedForward(inner, outer, activation=activation)), (
        rng.standard_normal(width)
    )
