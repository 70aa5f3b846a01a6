"""Which theorem or trend does a key mean, and which may have been meant?"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, TypeAlias

from theory.arrays import InputError
from theory.statements.theorem import Theorem
from theory.theorems.catalogue import CATALOGUE, TRENDS

Progress: TypeAlias = Callable[[str, int, int], None]
"""Takes a key, how many of its instances were checked, and how many will be."""


def known() -> tuple[str, ...]:
    """Return the keys of all theorems, then of all trends."""
    return (*CATALOGUE, *TRENDS)


def require_known(keys: Iterable[str]) -> None:
    """Raise InputError, with the nearest keys, unless all are keys of theorems or trends."""
    for key in keys:
        if key not in known():
            raise InputError(f"there is no theorem or trend with the key {key!r}; {_hint(key)}")


def find_theorem(key: str) -> Theorem[Any]:
    """Return the catalogue's theorem with this key.

    Raises: InputError for a trend, of which samples are drawn, and for an unknown key
    """
    require_known([key])
    if key in TRENDS:
        raise InputError(
            f"{key!r} is a trend: it is about averages, which no single instance can refute; "
            "verify draws samples of it"
        )
    return CATALOGUE[key]


def _hint(key: str) -> str:
    """Name the keys that hold the word, or are of that source; else the one spelled most alike."""
    word = key.strip().lower()
    sources = {k: theorem.source.lower() for k, theorem in CATALOGUE.items()}
    sources |= {k: trend.source.lower() for k, trend in TRENDS.items()}
    found = [k for k in known() if word and (word in k or word in sources[k])]
    found = found or get_close_matches(word, known(), n=1)
    if not found:
        return f"known are: {', '.join(known())}"
    if len(found) == 1:
        return f"did you mean {found[0]!r}?"
    return f"of that name or source are: {', '.join(found)}"
