"""What does the exact law say of the layers of a pretrained model, where all tokens are equal?

Attention is then a walk on positions, one for all heads or one for each. Where all tokens are heard
alike it does nothing to differences, D' = D K, the law with eigenvalue 0, whatever their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulations.law.differences import consensus_coefficients
from simulations.law.model_layers import Layer
from simulations.numbers import Numbers
from theory.law.cocycle import cocycle, transverse_radius
from theory.law.growth import leading_growth, product_growth, typical_growth
from theory.law.synchronised import synchronised_orbit
from theory.records import brief_repr

_COARSE = 1e-3  # of an eigenvalue, where an operator is large
_SEARCH = 1e-3  # what is left of a Lanczos vector: the factor lacks about its square


@brief_repr
@dataclass(frozen=True, eq=False)
class SynchronisedModel:
    """The transverse rates at equal tokens, for several starts, factors a layer.

    ``starts`` names them, ``counts`` says of how many equal tokens each is, since scores may
    depend on positions; where all tokens are heard alike, two stand for any number. ``typical``
    is the growth of a random difference (root mean square), ``radius`` the spectral radius of the
    layer, ``largest`` its norm, both on differences; where not all are heard alike, the radius is
    known to some thousandths, and NaN where it was not found.
    ``cumulative`` is the norm of the product of all layers up to one, to the power 1 / layers:
    the finite-time rate of the worst difference. ``sizes`` are the norms of the token after each
    layer. ``ends`` are the distances of the last tokens, relative to their norms: 0 where
    two starts end the same, and ``begins`` those of the starts. v and v_sharp are those of
    equal tokens.

    Shapes: typical, radius, largest, cumulative, sizes, v_sharp, v (starts, layers);
            counts (starts,); begins, ends (starts, starts)
    """

    starts: tuple[str, ...]
    counts: tuple[int, ...]
    typical: Numbers
    radius: Numbers
    largest: Numbers
    cumulative: Numbers
    sizes: Numbers
    v_sharp: Numbers
    v: Numbers
    begins: Numbers
    ends: Numbers


def synchronised_model(
    layers: Sequence[Layer], starts: dict[str, tuple[Numbers, int]]
) -> SynchronisedModel:
    """Follow some tokens, each standing for a number of equal ones, through a model."""
    rows: dict[str, list[Numbers]] = {}
    lasts, counts = list[Numbers](), list[int]()
    for start, number in starts.values():
        n = 2 if all(layer.even for layer in layers) else number
        steps = list(synchronised_orbit((layer.block for layer in layers), start))
        walks = [layer.walks(step.listening, n) for layer, step in zip(layers, steps, strict=True)]
        before = [start, *(step.token for step in steps)]
        columns: dict[str, list[float]] = {}
        for layer, step, walk, token in zip(layers, steps, walks, before[:-1], strict=True):
            operator = cocycle([step], [walk])
            v, sharp = consensus_coefficients(layer.block, walk, token[None], norms=layer.norms)
            found = {
                "typical": typical_growth(step, walk),
                "radius": transverse_radius(operator, tolerance=0.0 if layer.even else _COARSE),
                "largest": leading_growth(operator, tolerance=_SEARCH)[0],
                "sizes": np.linalg.norm(step.token),
                "v_sharp": sharp[0],
                "v": v[0],
            }
            for name, value in found.items():
                columns.setdefault(name, []).append(float(value))
        depths = np.arange(1, len(steps) + 1)
        logs = product_growth(steps, walks, depths=depths.tolist(), tolerance=_SEARCH)
        every = {name: np.asarray(values) for name, values in columns.items()}
        for name, row in {**every, "cumulative": np.exp(logs / depths)}.items():
            rows.setdefault(name, []).append(row)
        lasts.append(before[-1])
        counts.append(n)
    return SynchronisedModel(
        starts=tuple(starts),
        counts=tuple(counts),
        **{name: np.stack(values) for name, values in rows.items()},
        begins=_apart([token for token, _ in starts.values()]),
        ends=_apart(lasts),
    )


def _apart(tokens: Sequence[Numbers]) -> Numbers:
    """Return the distances of tokens, relative to the larger norm of each pair."""
    stacked = np.stack(tokens)
    size = np.linalg.norm(stacked, axis=-1)
    distance = np.linalg.norm(stacked[:, None] - stacked[None], axis=-1)
    return np.asarray(distance / np.maximum(size[:, None], size[None]))
