"""How does a placement that the package does not have come into it, for a test?"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from theory.blocks import weights, wiring

SWIN: Any = "swin"
"""y = r x + norm_1(attention(x)), out = r y + norm_2(feed_forward(y)), as in Swin v2."""


def plant_swin(patch: pytest.MonkeyPatch) -> None:
    """Add the placement where one is added: an entry in the wiring, and its name."""

    def order(
        sublayers: Mapping[str, Callable[[Any], Any]], stream: Any, does: wiring.Reading[Any]
    ) -> Any:
        for number, sublayer in sublayers.items():
            change = does.norm(number, sublayer(does.branch(stream)))
            stream = does.add(number, stream, change)
        return stream

    patch.setitem(wiring._ORDERS, SWIN, order)
    patch.setattr(weights, "PLACEMENTS", (*weights.PLACEMENTS, SWIN))
