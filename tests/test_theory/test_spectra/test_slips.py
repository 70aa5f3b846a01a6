"""Of a sample of slips in the kernels, few go unnoticed; ``make mutation`` tries them all."""

import pytest

from tests.mutation.kernels import KERNELS
from tests.mutation.runner import missed
from tests.mutation.slips import slips
from tests.mutation.spared import SPARED

EXAMPLE = """
def least(a, b):
    \"\"\"Return 2 of 3.\"\"\"
    return min(a + 2, b) if a < b else 0 * b
"""


def test_each_kind_of_slip_is_made_once() -> None:
    found = [slip.what for slip in slips(EXAMPLE)]
    assert found == [
        "least: a < b -> a > b",
        "least: min -> max",
        "least: a + 2 -> a - 2",
        "least: a + 2 -> a",
        "least: a + 2 -> 2",
        "least: 2 -> 1",
        "least: 0 -> 1",
    ]


@pytest.mark.parametrize("name", ["tridiagonal", "chains"])
def test_a_slip_is_undone_after_it_was_tried(name: str) -> None:
    kernel = KERNELS[name]
    first, again = missed(kernel, every=40), missed(kernel, every=40)
    assert len(first.missed) < len(first.tried) / 2
    assert [slip.what for slip in first.missed] == [slip.what for slip in again.missed]


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_few_slips_of_a_sample_are_missed(name: str) -> None:
    found = missed(KERNELS[name], every=9)
    left = [slip.what for slip in found.missed if slip.what not in SPARED.get(name, {})]
    assert len(left) <= 0.25 * len(found.tried), left
