"""What does the exact law say of the layers of a pretrained model, where all tokens are equal?

Heads see no difference there and attend evenly, so that differences are only sent through (r + F)
and the norms: D' = D K, the law with eigenvalue 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulations.law.differences import consensus_coefficients
from simulations.numbers import Numbers
from theory.blocks.weights import Block
from theory.bounds.coefficients import WeightNorms
from theory.law.synchronised import synchronised_orbit, transverse_factor
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class SynchronisedModel:
    """The transverse rates at equal tokens, for several starts, factors a layer.

    ``starts`` names them; ``typical`` is the growth of a random difference, |K|_F / sqrt(d),
    ``radius`` the spectral radius of K, ``largest`` its norm. ``cumulative`` is the norm of the
    product of all layers up to one, to the power 1 / layers: the finite-time rate of the worst
    difference. ``ends`` are the distances of the last tokens, relative to their norms: 0 where
    two starts end the same, and ``begins`` those of the starts. v and v_sharp are those of
    equal tokens.

    Shapes: typical, radius, largest, cumulative, v_sharp, v (starts, layers);
            begins, ends (starts, starts)
    """

    starts: tuple[str, ...]
    typical: Numbers
    radius: Numbers
    largest: Numbers
    cumulative: Numbers
    v_sharp: Numbers
    v: Numbers
    begins: Numbers
    ends: Numbers


def synchronised_model(
    blocks: Sequence[Block], starts: dict[str, Numbers], *, norms: Sequence[WeightNorms]
) -> SynchronisedModel:
    """Follow some tokens, each standing for any number of equal ones, through full attention."""
    rows: dict[str, list[list[float]]] = {}
    lasts = []
    even = np.full((2, 2), 0.5)  # how many tokens attend evenly changes no number here
    for start in starts.values():
        columns: dict[str, list[float]] = {}
        product, log, before = np.eye(start.size), 0.0, start
        for layer, step in enumerate(synchronised_orbit(blocks, start)):
            factor = transverse_factor(step, 0.0)
            product = product @ factor
            size = float(np.linalg.norm(product, ord=2))
            product, log = product / size, log + float(np.log(size))
            v, sharp = consensus_coefficients(blocks[layer], even, before[None], norms=norms[layer])
            found = {
                "typical": np.linalg.norm(factor) / start.size**0.5,
                "radius": np.abs(np.linalg.eigvals(factor)).max(),
                "largest": np.linalg.norm(factor, ord=2),
                "cumulative": np.exp(log / (layer + 1)),
                "v_sharp": sharp[0],
                "v": v[0],
            }
            for name, value in found.items():
                columns.setdefault(name, []).append(float(value))
            before = step.token
        lasts.append(before)
        for name, values in columns.items():
            rows.setdefault(name, []).append(values)
    table = {name: np.asarray(values) for name, values in rows.items()}
    return SynchronisedModel(
        starts=tuple(starts),
        **table,
        begins=_apart(list(starts.values())),
        ends=_apart(lasts),
    )


def _apart(tokens: Sequence[Numbers]) -> Numbers:
    """Return the distances of tokens, relative to the larger norm of each pair."""
    stacked = np.stack(tokens)
    size = np.linalg.norm(stacked, axis=-1)
    distance = np.linalg.norm(stacked[:, None] - stacked[None], axis=-1)
    return np.asarray(distance / np.maximum(size[:, None], size[None]))
