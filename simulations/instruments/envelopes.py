"""How far from consensus may tokens be after each block, by the theorem's bounds on all before?"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from simulations.centred.maps import Centred
from simulations.numbers import Numbers, host, log
from theory.arrays import Array, namespace
from theory.bounds.envelopes import distance_per_diameter, log_envelopes
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus_distance

BY_V: Final = "log10_envelope_v"
BY_DIAMETER: Final = "log10_envelope_diameter"
TOGETHER: Final = "log10_envelope"
"""Readings of a block: log10 of the largest d_M after it, over d_M of the first tokens."""

BOUNDS: Final = {
    "v": "v",
    "v_sharp": "v sharp",
    "v_stacked": "v stacked",
    "v_diameter": "v diameter",
    "saturation": "saturation",
}
"""The readings that bound the factor of a block, and how tables call them."""


class Start(NamedTuple):
    """What the first tokens are, and how far d_M and diameters can differ, as logarithms: (*b,)."""

    distance: Numbers
    diameter: Numbers
    constant: Numbers


def start_of(tokens: Array, *, present: Array | None = None) -> Start:
    """Return where a trace starts, of the tokens that are present.

    Shapes: tokens (*b, n, d), present boolean (*b, n)
    """
    distance = log(consensus_distance(tokens, token_mask=present))
    return _start(tokens, distance, log(token_diameter(tokens, token_mask=present)), present)


def centred_start(state: Centred) -> Start:
    """As `start_of`, of a state."""
    diameter = log(token_diameter(state.deviations)) + state.log_scale
    return _start(state.deviations, state.log_scale, diameter, None)


def _start(tokens: Array, distance: Array, diameter: Array, present: Array | None) -> Start:
    xp, (n, d) = namespace(tokens), tokens.shape[-2:]
    number = xp.full_like(distance, n)
    if present is not None:
        number = xp.sum(xp.astype(present, tokens.dtype), axis=-1) + 0 * number
    constant = log(distance_per_diameter(number, d, like=tokens))
    return Start(*host({"a": distance, "b": diameter, "c": constant}).values())


def envelope_rows(start: Start | None, rows: Sequence[Mapping[str, Numbers]]) -> list[Numbers]:
    """Return the three envelopes, (L, *b) each, from the readings of L blocks.

    Where a block has no v its bound is unknown, and infinite; where it ends with a norm the
    envelope of all bounds together starts anew there.
    """
    assert start is not None, "a trace without tokens"
    unknown = np.full_like(start.distance, np.nan)

    def logs(name: str) -> Numbers:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.stack([row.get(name, unknown) for row in rows])))

    v, v_diameter, limit = map(logs, ("v_upper", "v_diameter_upper", "largest_distance"))
    alone, together = log_envelopes(
        v,
        v_diameter,
        limit,
        log_distance=start.distance,
        log_diameter=start.diameter,
        log_constant=start.constant,
    )
    with np.errstate(invalid="ignore"):  # equal tokens have no distance to compare with
        by_v = np.cumsum(np.where(np.isnan(v), np.inf, v), axis=0)
        found = [by_v, alone - start.distance, together - start.distance]
    return [each / math.log(10) for each in found]


def with_envelopes(
    start: Start | None, rows: Sequence[dict[str, Numbers]]
) -> list[dict[str, Numbers]]:
    """Return the blocks' readings with the envelopes among them, where any block has a v."""
    if not any("v_upper" in row for row in rows):
        return list(rows)
    found = zip(*envelope_rows(start, rows), strict=True)
    names = (BY_V, BY_DIAMETER, TOGETHER)
    return [
        row | dict(zip(names, each, strict=True)) for row, each in zip(rows, found, strict=True)
    ]
