"""GELU in single precision: as exact as the rounding bounds take it to be, and in place."""

import numpy as np
import pytest
from scipy.special import erfc

from simulations.engine.activation import activate
from theory.blocks.activations import ACTIVATIONS


def test_gelu_of_any_float32_is_within_4_eps_of_its_argument() -> None:
    exponents = np.linspace(-37, 38, 40_001)
    x = np.concatenate([np.linspace(-30, 30, 400_001), 10.0**exponents, -(10.0**exponents)])
    x = np.append(x, [0.0, 1e-45]).astype("float32")
    wide = x.astype("float64")
    truth = 0.5 * wide * erfc(-wide / np.sqrt(2))
    found = activate("gelu", x.copy()).astype("float64")
    allowed = 4 * float(np.finfo("float32").eps) * np.abs(wide) + 1e-45
    assert (np.abs(found - truth) <= allowed).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_that_of_theory(name: str, dtype: str) -> None:
    x = (3 * np.random.default_rng(0).standard_normal((4, 5, 1001))).astype(dtype)
    found = activate(name, x.copy())
    assert found.dtype == dtype
    allowed = 64 * float(np.finfo(x.dtype).eps)
    np.testing.assert_allclose(found, ACTIVATIONS[name].function(x), rtol=0, atol=allowed)


def test_numbers_that_do_not_lie_side_by_side_are_treated_too() -> None:
    x = np.random.default_rng(0).standard_normal((6, 8)).astype("float32")
    np.testing.assert_allclose(
        activate("gelu", x[:, ::2]), activate("gelu", x.copy())[:, ::2], atol=1e-6
    )


def test_what_is_no_number_stays_so() -> None:
    found = activate("gelu", np.asarray([np.nan, np.inf], "float32"))
    assert np.isnan(found[0])
    assert found[1] == np.inf
