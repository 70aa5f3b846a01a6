"""Where law and theorem cross 1 along a driver, and what is said where they do not."""

from typing import Any

import numpy as np
import pytest

from simulations.law.critical import CriticalPoints, critical_points
from simulations.law.differences import consensus_coefficients
from simulations.law.networks import draw_network
from simulations.stacks.stack import Stack
from theory.arrays import InputError
from theory.graphs.masks import full_mask, window_mask
from theory.law.orbits import find_attractor
from theory.law.transverse import transverse_rates

pytestmark = pytest.mark.once

SMALL: dict[str, Any] = {
    "tokens": 4,
    "width": 6,
    "heads": 2,
    "ffn_width": 12,
    "tied": True,
    "activation": "relu",
}


def crossing_of(found: CriticalPoints, name: str) -> float:
    (crossing,) = found.crossings[name]
    assert not crossing.jump
    assert crossing.low <= crossing.value <= crossing.high
    return crossing.value


def test_a_linear_block_crosses_where_its_formula_says() -> None:
    """No norm and no feed-forward: on the complete graph the law is the residual itself."""
    stack = Stack(**SMALL | {"norm": "none", "ffn_width": 0})
    found = critical_points(stack, full_mask(4), "residual", low=0.2, high=3.0, points=3)
    assert crossing_of(found, "law") == pytest.approx(1.0, abs=1e-5)
    # At equal tokens full attention has lambda = 0, so that v is the residual too.
    assert crossing_of(found, "v") == pytest.approx(1.0, abs=1e-5)
    assert found.price == pytest.approx(0.0, abs=2e-5)
    assert found.crossings["law"][0].falls is False


def test_with_a_fixed_std_law_and_theorem_cross_apart_and_the_theorem_later() -> None:
    stack = Stack(**SMALL | {"value_gain": 0.5, "fixed_std": 1.0})
    found = critical_points(stack, full_mask(4), "fixed_std", low=0.5, high=6.0, points=9)
    law, sharp, v = (crossing_of(found, name) for name in ("law", "v_sharp", "v"))
    assert law < sharp < v
    assert found.price == pytest.approx(v - law)
    block, token = draw_network(Stack(**SMALL | {"value_gain": 0.5, "fixed_std": v}))
    assert token is not None
    assert not isinstance(block, list)
    attractor = find_attractor(block, token)
    assert attractor is not None
    walk = np.full((4, 4), 0.25)
    at, _ = consensus_coefficients(block, walk, attractor.points)
    assert float(at.max()) == pytest.approx(1, abs=1e-4)
    block, token = draw_network(Stack(**SMALL | {"value_gain": 0.5, "fixed_std": law}))
    assert transverse_rates(block, full_mask(4), token).rate == pytest.approx(1, abs=1e-4)
    # The token shrinks as fast: differences relative to it know nothing of the constant.
    rates = found.rates["relative law"]
    assert rates.max() - rates.min() <= 1e-6


def test_no_crossing_is_said_with_the_range_that_was_looked_at() -> None:
    stack = Stack(**SMALL | {"norm": "none", "ffn_width": 0})
    found = critical_points(stack, window_mask(4, 1), "residual", low=1.5, high=3.0, points=3)
    assert found.crossings["v"] == ()
    assert found.words("v").startswith("no crossing in 1.5 .. 3: above 1")
    assert found.price is None


def test_a_grid_value_without_a_law_is_named() -> None:
    stack = Stack(**SMALL | {"fixed_std": 1.0, "bias_std": 0.2})
    found = critical_points(stack, full_mask(4), "fixed_std", low=0.05, high=8.0, points=5)
    assert found.refused
    assert "left the range" in found.refused[0][1]
    assert np.isnan(found.rates["law"][0])
    assert np.isfinite(found.rates["law"][-1])


@pytest.mark.parametrize(
    ("options", "driver", "limits", "words"),
    [
        ({}, "depth", {}, "driver must be one of"),
        ({"norm": "none"}, "norm_gain", {}, "a norm to act on"),
        ({"ffn_width": 0}, "ffn_gain", {}, "feed-forward sublayer"),
        ({}, "value_gain", {"low": 2.0, "high": 1.0}, "low < high"),
        ({}, "value_gain", {"points": 1}, "at 2 points or more"),
        ({}, "value_gain", {"low": float("nan")}, "finite"),
    ],
)
def test_questions_without_an_answer_are_refused(
    options: dict[str, Any], driver: Any, limits: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        critical_points(Stack(**SMALL | options), full_mask(4), driver, **limits)
