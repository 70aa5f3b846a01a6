"""How does a placement that the package does not have come into it, for a test?"""

from collections.abc import Callable
from typing import Any

import pytest

from theory.blocks import weights, wiring

SWIN: Any = "swin"
"""y = r x + norm_1(attention(x)), out = r y + norm_2(feed_forward(y)), as in Swin v2."""


def plant_swin(patch: pytest.MonkeyPatch) -> None:
    """Add the placement where one is added: an entry in the wiring, and its name."""

    def order(
        number: str, sublayer: Callable[[Any], Any], stream: Any, does: wiring.Reading[Any]
    ) -> Any:
        change = does.norm(number, sublayer(does.branch(stream)))
        return does.add(stream, change)

    patch.setitem(wiring._ORDERS, SWIN, order)
    patch.setattr(weights, "PLACEMENTS", (*weights.PLACEMENTS, SWIN))
