"""The closed derivatives are the derivatives, and equal tokens stay equal."""

from dataclasses import replace
from types import ModuleType
from typing import Any, Literal

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import (
    PLACEMENTS,
    Floats,
    blocks,
    masks,
    move,
    random_block,
    random_tokens,
)
from theory.arrays import InputError, to_numpy
from theory.blocks.activations import ACTIVATIONS
from theory.blocks.forward import apply_block, feed_forward
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import Block, FeedForward
from theory.law.jacobians import feed_forward_jacobian, norm_jacobian
from theory.law.synchronised import (
    linearise,
    synchronised_orbit,
    synchronised_step,
    transverse_factor,
)
from theory.symbolic.maps import derive_norm_jacobian

D = 5
SEEDS = st.integers(0, 2**32 - 1)
STEP = 1e-5  # of a central difference: its error is STEP^2 times a third derivative
NORMS = {
    "true": {},
    "eps": {"eps": 0.7},
    "tau": {"tau": 0.3},
    "fixed": {"fixed_std": 1.9},
    "all": {"eps": 0.2, "tau": 2.0},
}


def central(function: Any, token: Floats) -> Floats:
    """Return the Jacobian by central differences: row i is the change along entry i."""
    steps = STEP * np.eye(token.size)
    rows: Floats = (function(token + steps) - function(token - steps)) / (2 * STEP)
    return rows


@pytest.mark.parametrize("mode", NORMS)
@pytest.mark.parametrize("kind", ["layer", "rms", "none"])
@given(seed=SEEDS, gain=st.booleans())
def test_a_norm_changes_as_its_jacobian_says(
    mode: str, kind: Literal["layer", "rms", "none"], seed: int, gain: bool
) -> None:
    rng = np.random.default_rng(seed)
    gains = rng.uniform(-2, 2, D) if gain else None
    norm = Norm(kind, gain=gains, shift=gains, **NORMS[mode])
    token = 3 * rng.standard_normal(D)
    std = np.std(token) if kind == "layer" else np.sqrt(np.mean(token**2))
    scale = 1 + 1 / min(std, 1) ** 3  # the third derivative falls with the third power of the std
    wanted = central(lambda rows: apply_norm(norm, rows), token)
    assert np.abs(norm_jacobian(norm, token) - wanted).max() <= 1e-8 * scale / min(norm.tau, 1)


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_the_jacobian_of_a_norm_is_the_one_that_sympy_derives(kind: Any) -> None:
    derivation = derive_norm_jacobian(4, kind)
    token = random_tokens(3, 4)
    values = dict(zip(derivation.arguments, token, strict=True))
    for eps in (0.0, 0.3):
        for expression in (derivation.derived, derivation.closed):
            exact = expression.subs({**values, derivation.eps: eps}).evalf()
            wanted = np.asarray(exact.tolist(), dtype=float)
            assert np.abs(norm_jacobian(Norm(kind, eps=eps), token) - wanted).max() <= 1e-14


@given(seed=SEEDS)
def test_a_layer_norm_loses_the_mean_and_the_token_itself(seed: int) -> None:
    token = np.random.default_rng(seed).standard_normal(D)
    slope = norm_jacobian(Norm(), token)
    size = np.abs(slope).max()
    assert np.abs(np.ones(D) @ slope).max() <= 1e-13 * size
    assert np.abs(token @ slope).max() <= 1e-13 * size
    assert np.linalg.matrix_rank(slope) == D - 2
    assert np.abs(slope - slope.T).max() <= 1e-14 * size


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324])
def test_a_jacobian_of_huge_and_tiny_tokens_has_its_digits(scale: float) -> None:
    token = np.asarray([1.0, -2.0, 3.0, 4.0])
    if scale == 5e-324:  # one over the std is beyond the largest number: the slope is infinite
        with np.errstate(over="ignore"):
            assert not np.isfinite(norm_jacobian(Norm(), scale * token)).all()
        return
    wanted = norm_jacobian(Norm(), token)
    assert np.allclose(norm_jacobian(Norm(), scale * token) * scale, wanted, rtol=0, atol=1e-14)


def test_a_token_without_variance_has_no_derivative_unless_eps_gives_it_one() -> None:
    flat = np.full(D, 2.5)
    with pytest.raises(InputError, match="zero variance"):
        norm_jacobian(Norm(), flat)
    centring = np.eye(D) - 1 / D
    assert np.allclose(norm_jacobian(Norm(eps=0.25), flat), centring / 0.5, atol=1e-15)
    with pytest.raises(InputError, match="float32 or float64"):
        norm_jacobian(Norm(), np.arange(4))


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(seed=SEEDS, biased=st.booleans(), gated=st.booleans())
def test_a_feed_forward_changes_as_its_jacobian_says(
    name: str, seed: int, biased: bool, gated: bool
) -> None:
    rng = np.random.default_rng(seed)
    biases = {"bias_in": rng.standard_normal(7), "bias_out": rng.standard_normal(D)}
    weights = rng.standard_normal((D, 7)), rng.standard_normal((7, D))
    sublayer = FeedForward(*weights, activation=name, **(biases if biased else {}))
    token = rng.standard_normal(D)
    hidden = token @ weights[0] + (biases["bias_in"] if biased else 0)
    if gated:
        gate, bias = rng.standard_normal((D, 7)), rng.standard_normal(7)
        sublayer = replace(sublayer, weight_gate=gate, bias_gate=bias if biased else None)
        hidden = token @ gate + (bias if biased else 0)
        weights = gate, weights[1]
    if name == "relu" and np.abs(hidden).min() <= 10 * STEP * np.abs(weights[0]).max():
        return  # the difference would straddle the kink
    wanted = central(lambda rows: feed_forward(sublayer, rows), token)
    assert np.abs(feed_forward_jacobian(sublayer, token) - wanted).max() <= 1e-6


@given(block=blocks(d=4, weight=1.0, eps=0.3), mask=masks(3), seed=SEEDS)
def test_equal_tokens_stay_equal_and_take_the_path_of_one(
    block: Block, mask: Any, seed: int
) -> None:
    token = np.random.default_rng(seed).standard_normal(4)
    out = apply_block(block, np.tile(token, (3, 1)), mask=mask).output
    alone = synchronised_step(block, token)
    assert np.allclose(out, alone, rtol=1e-9, atol=1e-9)
    assert np.array_equal(linearise(block, token).token, alone)


@given(block=blocks(d=4, eps=0.3, weight=1.0), mask=masks(3), seed=SEEDS)
def test_small_differences_evolve_as_the_linearised_block_says(
    block: Block, mask: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    token, deviations = rng.standard_normal(4), rng.standard_normal((3, 4))
    step = linearise(block, token)
    walk = mask / mask.sum(axis=1, keepdims=True)
    kept = step.residual * deviations
    if block.placement == "parallel" and block.feed_forward is not None:
        assert step.beside is not None
        kept = kept + deviations @ step.beside
    else:
        assert step.beside is None
    wanted = (kept + walk @ deviations @ step.mixed) @ step.after
    found = [
        (
            apply_block(block, token + t * deviations, mask=mask).output
            - apply_block(block, token - t * deviations, mask=mask).output
        )
        / (2 * t)
        for t in (1e-4, 1e-5)
    ]
    if np.abs(found[0] - found[1]).max() > 1e-4 * (1 + np.abs(wanted).max()):
        return  # a kink of ReLU, or curvature that this step does not resolve
    assert np.allclose(found[1], wanted, rtol=1e-5, atol=1e-5 * (1 + np.abs(wanted).max()))


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_slope_of_one_token_is_the_factor_of_eigenvalue_one(placement: Any) -> None:
    block = random_block(5, placement=placement, residual=0.7, gated=True, residual_ffn=1.3)
    token = random_tokens(5, 6)
    factor = transverse_factor(linearise(block, token), 1.0)
    wanted = central(lambda rows: np.stack([synchronised_step(block, r) for r in rows]), token)
    assert np.abs(factor - wanted).max() <= 1e-6


def test_a_complex_eigenvalue_and_its_conjugate_have_conjugate_factors() -> None:
    step = linearise(random_block(6), random_tokens(6, 6))
    up, down = transverse_factor(step, np.asarray([0.3 + 0.4j, 0.3 - 0.4j]))
    assert np.array_equal(up, down.conj())
    assert np.iscomplexobj(up)
    mixed = 0.3 * step.mixed + 0.4j * step.mixed
    assert np.allclose(up, (np.eye(6) + mixed) @ step.after, atol=1e-14)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_library_gives_the_same_slope(xp: ModuleType, device: Any, placement: Any) -> None:
    block = random_block(7, placement=placement, batch=(2,))
    tokens = random_tokens(7, 2, 6)
    plain = linearise(block, tokens)
    moved = linearise(move(block, xp, device=device), xp.asarray(tokens, device=device))
    for ours, theirs in zip(plain, moved, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert np.allclose(ours, theirs if isinstance(theirs, float) else to_numpy(theirs))
    one = linearise(random_block(7, placement=placement, batch=(2,)), tokens[0])
    assert one.after.shape == (2, 6, 6)
    eigenvalue = xp.asarray([0.5, -0.2], device=device)
    found = to_numpy(transverse_factor(moved, eigenvalue))
    assert np.allclose(found, transverse_factor(plain, np.asarray([0.5, -0.2])))
    assert found.shape == (2, 2, 6, 6)


def test_an_orbit_names_the_layer_where_it_stops() -> None:
    dead = Block(random_block(1, plain=True).attention, norm_1=Norm("layer", gain=np.zeros(6)))
    with pytest.raises(InputError, match="at layer 1: tokens must not have zero variance"):
        list(synchronised_orbit([dead, Block(dead.attention, residual=0.0)], np.arange(6.0)))
    with pytest.raises(InputError, match="tokens must have shape"):
        linearise(dead, np.arange(5.0))
