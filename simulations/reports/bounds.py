"""Which of the bounds on a block is the smallest, and what does it say?"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import numpy as np

from simulations.instruments.envelopes import BOUNDS, BY_DIAMETER, TOGETHER
from simulations.instruments.trace import Trace
from simulations.reports.one_token import largest_known, ranges
from simulations.reports.tables import number

_WRITTEN_OUT: Final = 4  # powers of ten below this are written as numbers


class Smallest(NamedTuple):
    """The smallest bound of a block, over all texts or seeds, and its name in readings."""

    name: str
    value: float


def smallest_bounds(trace: Trace, forms: Collection[str] = tuple(BOUNDS)) -> list[Smallest | None]:
    """Return the smallest bound of each block; None where it has none.

    Each form counts with the text or seed where it is largest, so that it bounds all of them.
    """
    found: list[Smallest | None] = []
    for layer in range(trace.depth):
        each = [
            Smallest(name, largest_known(trace.blocks[name][layer]))
            for name in forms
            if name in trace.blocks
        ]
        known = [one for one in each if np.isfinite(one.value)]
        found.append(min(known, key=lambda one: one.value) if known else None)
    return found


def smallest_words(trace: Trace) -> str:
    """Say which bound is the smallest in which blocks, and what it is about; "" without any."""
    every = smallest_bounds(trace)
    names = {one.name for one in every if one}
    if not names:
        return ""
    words = f"The smallest bound on a block is {_told(every)}."
    if "saturation" in names:
        rest = smallest_bounds(trace, [name for name in BOUNDS if name != "saturation"])
        names |= {one.name for one in rest if one}
        words += (
            " Saturation says how far from M the norm at a block's end can put tokens, whatever "
            f"the block does; without it: {_told(rest)}."
        )
    if "v_diameter" in names:
        words += " v diameter is about the largest distance of two tokens, and not about d_M."
    return f"{words}\n"


def _told(every: Sequence[Smallest | None]) -> str:
    """Return each form that is the smallest somewhere, with its blocks and its values."""
    parts = []
    for name, told in BOUNDS.items():
        values = {i + 1: one.value for i, one in enumerate(every) if one and one.name == name}
        if values:
            low, high = number(min(values.values())), number(max(values.values()))
            span = low if low == high else f"{low} to {high}"
            parts.append(f"{told} in {ranges(np.array(list(values)), 'block')} ({span})")
    return ", ".join(parts)


def envelope_words(trace: Trace) -> str:
    """Say what diameters, and all bounds together, make of the product of v; "" without."""
    if TOGETHER not in trace.blocks:
        return ""
    diameter, together = (largest_known(trace.blocks[name][-1]) for name in (BY_DIAMETER, TOGETHER))
    if not np.isfinite(together):
        return ""
    by_diameter = f"{_power(diameter)} times by diameters, " if np.isfinite(diameter) else ""
    included = ", saturation included" if "saturation" in trace.blocks else ""
    return f" It is at most {by_diameter}{_power(together)} by all bounds together{included}."


def _power(log10: float) -> str:
    return number(10**log10) if abs(log10) < _WRITTEN_OUT else f"10^{log10:.1f}"
