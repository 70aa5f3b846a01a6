"""Do two blocks do the same, in every part?"""

from collections.abc import Iterator

import numpy as np

from tests.helpers.blocks import Floats
from theory.arrays import to_numpy
from theory.blocks.weights import BlockStep

# Blocks here are products of a dozen maps of width below 10 and norm below 10; each errs by a
# few dozen eps of its values, and a norm with a small std may magnify that by ten or so.
CLOSE = 1e-10


def parts(step: BlockStep) -> Iterator[tuple[str, Floats]]:
    for name, value in step._asdict().items():
        if value is not None:
            yield name, np.asarray(to_numpy(value), dtype=np.float64)


def assert_same(found: BlockStep, wanted: BlockStep, *, tolerance: float = CLOSE) -> None:
    """Compare all parts, relative to the largest entry of each."""
    pairs = dict(parts(found)), dict(parts(wanted))
    assert pairs[0].keys() == pairs[1].keys()
    for name, value in pairs[0].items():
        other = pairs[1][name]
        assert value.shape == other.shape, name
        assert np.abs(value - other).max() <= tolerance * max(np.abs(other).max(), 1e-300), name
