"""What does a norm forget of a token, and when has a token no direction?"""

from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import random_tokens
from theory.arrays import InputError, to_numpy
from theory.blocks.norms import Norm, apply_norm, norm_std

EPS = float(np.finfo(np.float64).eps)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@given(power=st.integers(-300, 300), seed=st.integers(0, 999))
def test_a_norm_forgets_the_scale_of_a_token_however_large_or_small(
    kind: Any, power: int, seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    scaled = tokens * 10.0**power
    norm = Norm(kind)
    # The product above, the mean, the centred entries and the std err by eps each; d = 6 terms.
    centred = norm_std(norm, tokens) / np.abs(tokens).max(axis=-1)
    allowed = 64 * EPS / centred[:, None]
    assert np.all(np.abs(apply_norm(norm, scaled) - apply_norm(norm, tokens)) <= allowed)
    std = norm_std(norm, scaled) / 10.0**power
    assert np.all(np.abs(std / norm_std(norm, tokens) - 1) <= allowed[:, 0])


@given(shift=st.floats(-1e6, 1e6), seed=st.integers(0, 999))
def test_layer_norm_forgets_a_constant_added_to_a_token(shift: float, seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    std = norm_std(Norm(), tokens)[:, None]
    error = np.abs(apply_norm(Norm(), tokens + shift) - apply_norm(Norm(), tokens))
    assert np.all(error <= 64 * EPS * (np.abs(tokens).max() + abs(shift)) / std)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@given(seed=st.integers(0, 999), tau=st.floats(0.1, 10), eps=st.sampled_from([0.0, 1e-5, 2.0]))
def test_a_normalised_token_has_the_std_that_tau_says(
    kind: Any, seed: int, tau: float, eps: float
) -> None:
    tokens = random_tokens(seed, 4, 6)
    norm = Norm(kind, eps=eps, tau=tau)
    out = apply_norm(norm, tokens)
    centred = tokens - tokens.mean(axis=-1, keepdims=True) if kind == "layer" else tokens
    square = (centred**2).mean(axis=-1)
    np.testing.assert_allclose(norm_std(norm, tokens), np.sqrt(square + eps), rtol=1e-13)
    np.testing.assert_allclose((out**2).mean(axis=-1), square / (square + eps) / tau**2, rtol=1e-12)


def test_gain_and_shift_act_on_features_and_a_fixed_std_divides_all_tokens_alike() -> None:
    tokens = random_tokens(0, 4, 6)
    gain, shift = random_tokens(1, 6), random_tokens(2, 6)
    plain = apply_norm(Norm(), tokens)
    np.testing.assert_allclose(
        apply_norm(Norm(gain=gain, shift=shift), tokens), plain * gain + shift
    )
    fixed = Norm(fixed_std=2.0, tau=1.5)
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(apply_norm(fixed, tokens), centred / 3.0, rtol=1e-14)
    np.testing.assert_array_equal(norm_std(fixed, tokens), np.full(4, 2.0))


@pytest.mark.parametrize("token", [0.0, 1.0, 0.1, 1e300, 1e-300, 5e-324, -1 / 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_token_has_no_direction_unless_eps_gives_it_a_std(
    xp: ModuleType, token: float, dtype: str
) -> None:
    if dtype == "float32" and abs(token) > 1e38:
        token = 1e30
    host = np.concatenate([random_tokens(0, 2, 7), np.full((1, 7), token)])
    tokens = xp.asarray(host, dtype=getattr(xp, dtype))
    with pytest.raises(InputError, match=r"tokens must not have zero variance.* 1 of them"):
        apply_norm(Norm(), tokens)
    eased = to_numpy(apply_norm(Norm(eps=1e-5), tokens))
    assert np.all(np.isfinite(eased))
    assert np.all(eased[2] == 0)


def test_a_zero_token_has_no_direction_for_rms_either() -> None:
    tokens = np.concatenate([random_tokens(0, 2, 7), np.zeros((2, 7))])
    with pytest.raises(InputError, match=r"tokens must not have zero norm.* 2 of them"):
        apply_norm(Norm("rms"), tokens)
    assert np.all(apply_norm(Norm("rms", eps=1e-9), tokens)[2:] == 0)
    assert np.all(np.isfinite(apply_norm(Norm("rms"), np.full((1, 7), 0.1))))


@pytest.mark.parametrize("offset", [1.0, 1e3, 1e6])
def test_a_token_that_varies_more_than_its_rounding_is_not_called_constant(offset: float) -> None:
    tokens = offset * (1 + 1e-14 * np.asarray([[-3.0, 1.0, 2.0]]))
    out = apply_norm(Norm(), tokens)
    assert abs(float((out**2).mean()) - 1) <= 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "batch"}, "kind must be .* 'batch'"),
        ({"eps": -1e-9}, "eps"),
        ({"eps": float("nan")}, "eps"),
        ({"eps": float("inf")}, "eps"),
        ({"tau": 0.0}, "tau"),
        ({"tau": -1.0}, "tau"),
        ({"tau": float("nan")}, "tau"),
        ({"fixed_std": 0.0}, "fixed_std"),
        ({"fixed_std": float("inf")}, "fixed_std"),
    ],
)
def test_a_bad_norm_is_refused_by_the_name_of_the_field(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Norm(**options)
