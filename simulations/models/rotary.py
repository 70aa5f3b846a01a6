"""How fast do positions turn queries and keys, by what a config.json says?"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulations.models.messages import quote
from theory.arrays import InputError

_MOST_PAIRS = 1 << 15
_KINDS = ("default", "linear", "llama3")


def read_frequencies(
    path: Path, settings: Mapping[str, Any], features: int, *, part: float
) -> tuple[float, ...]:
    """Return the frequencies of the pairs of features that are turned, of a head's ``features``.

    ``part`` of them are turned where no setting says how many.

    Raises: InputError if a setting is not a number, or of a kind that is not supported
    """
    said = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    if not isinstance(said, Mapping):
        raise InputError(f"{path.name}: rope_parameters must be an object, but is {quote(said)}")
    kind = said.get("rope_type", said.get("type", "default"))
    if kind not in _KINDS:
        raise InputError(
            f"{path.name}: rope_type must be one of {', '.join(_KINDS)}, but is {quote(kind)}"
        )

    def one_of(*keys: str, default: float, least: float = 0.0) -> float:
        """Return the first of the settings that is there."""
        places = ((where, key) for key in keys for where in (said, settings))
        value = next((where[key] for where, key in places if where.get(key) is not None), default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > least:
            raise InputError(
                f"{path.name}: {keys[0]} must be a number above {least:g}, but is {quote(value)}"
            )
        return float(value)

    base = one_of("rope_theta", "rotary_emb_base", default=10000.0, least=1.0)
    part = one_of("partial_rotary_factor", "rotary_pct", default=part)
    turned = int(features * min(part, 1.0))
    if turned % 2:
        raise InputError(
            f"{path.name}: positions turn features in pairs, but {turned} of the {features} of a "
            "head are to be turned"
        )
    pairs = turned // 2
    plain = plain_frequencies(base, pairs)
    if kind == "default":
        return plain
    factor = one_of("factor", default=math.nan)
    if kind == "linear":
        return tuple(each / factor for each in plain)
    low, high = (one_of(f"{end}_freq_factor", default=math.nan) for end in ("low", "high"))
    length = one_of("original_max_position_embeddings", default=math.nan)
    return tuple(_stretched(each, factor, low, high, length) for each in plain)


def plain_frequencies(base: float, pairs: int) -> tuple[float, ...]:
    """Return base^(-i / pairs) for each pair i.

    Raises: InputError if there are more pairs than any head has
    Source: su2021rope
    """
    if pairs > _MOST_PAIRS:  # a damaged file may say thousands of millions
        raise InputError(f"positions must turn at most {_MOST_PAIRS} pairs, but turn {pairs}")
    return tuple(base ** (-pair / pairs) for pair in range(pairs))


def _stretched(frequency: float, factor: float, low: float, high: float, length: float) -> float:
    """Divide slow frequencies by the factor, keep fast ones, and mix those between.

    Source: grattafiori2024llama3
    """
    turns = length * frequency / (2 * math.pi)
    if turns > high:
        return frequency
    if turns < low:
        return frequency / factor
    smooth = (turns - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
