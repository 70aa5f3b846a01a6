"""What a rate's error bar has to hold: residuals, correlated layers, the way to the attractor."""

from functools import partial

import numpy as np
import pytest

from tests.helpers.blocks import Floats
from theory.arrays import InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.law import rates
from theory.law.orbits import Attractor, find_attractor
from theory.law.rates import mode_rates, standard_error, tied_orbit

approx = partial(pytest.approx, rel=1e-6, abs=0)
NO_NORM = Norm(kind="none")


def linear(values: list[float], *, residual: float = 1.0) -> Block:
    """Return a block that multiplies feature i by residual + mu value_i in the mode of mu."""
    value = np.diag(np.asarray(values, dtype=float))[None]
    return Block(Attention(None, None, value), norm_1=NO_NORM, residual=residual)


def curved(slope: float, out: float, bias: float = 0.3) -> Block:
    """Return x -> out tanh(slope x + bias), of one feature."""
    ffn = FeedForward(
        np.asarray([[slope]]), np.asarray([[out]]), np.asarray([bias]), activation="tanh"
    )
    value = np.ones((1, 1, 1))
    return Block(Attention(None, None, value), ffn, NO_NORM, NO_NORM, residual=0.0)


def test_the_first_fifth_of_the_layers_counts_for_nothing() -> None:
    start = [linear([8.0, 5.0])] * 2
    blocks = [*start, *[linear([0.5, 0.2])] * 8]
    found = mode_rates(blocks, [0.5, 0.0], np.asarray([1.0, 1.0]), depth=10)
    assert found.method == "lyapunov"
    np.testing.assert_allclose(found.rates, [1.25, 1.0], rtol=0.02)
    np.testing.assert_allclose(found.seconds, [1.1, 1.0], rtol=0.02)
    assert found.token_growth == approx(1.5, rel=0.05)
    np.testing.assert_allclose(found.relative_rates, found.rates / found.token_growth)
    wanted = (5.0**2 * 1.25**8) ** 0.1
    assert found.finite_rates[0] == approx(wanted, rel=1e-12)
    assert found.depth == 10
    short = mode_rates(blocks, [0.5], np.asarray([1.0, 1.0]), depth=4)
    assert short.finite_rates[0] == approx((5.0**2 * 1.25**2) ** 0.25, rel=1e-12)
    assert short.depth == 4
    fewer = mode_rates(blocks, [0.5], np.asarray([1.0, 1.0]), depth=99, layers=5)
    assert fewer.depth == 5
    assert fewer.finite_rates[0] == approx((5.0**2 * 1.25**3) ** 0.2, rel=1e-12)
    assert fewer.rates[0] == approx((5.0 * 1.25**3) ** 0.25, rel=0.06)


def test_the_bar_of_a_rate_is_relative_to_it() -> None:
    rng = np.random.default_rng(1)
    factors = rng.uniform(-0.5, 0.5, 100)
    blocks = [linear([float(a)]) for a in factors]
    found = mode_rates(blocks, [1.0], np.asarray([1.0]))
    logs = np.log(np.abs(1 + factors))[20:]
    assert found.rates[0] == approx(float(np.exp(logs.mean())), rel=1e-12)
    assert found.errors[0] == approx(found.rates[0] * standard_error(logs), rel=1e-9)
    assert found.seconds[0] == 0
    assert found.token_growth == approx(float(found.rates[0]), rel=1e-12)


def test_no_bar_is_narrower_than_the_rounding_of_a_layer() -> None:
    """All layers are alike, and so the mean has no spread."""
    found = mode_rates([linear([0.3, 0.1])] * 200, [0.0], np.asarray([1.0, 1.0]))
    np.testing.assert_array_equal(found.errors, 2 * 2.0**-52 * found.rates)
    assert abs(found.rates[0] - 1) <= found.errors[0]


def test_three_features_are_followed_by_two_vectors() -> None:
    blocks = [linear([0.5, 0.2, -0.1])] * 60
    found = mode_rates(blocks, [1.0, 0.5j], np.asarray([1.0, 0.5, 0.2]), depth=3)
    np.testing.assert_allclose(found.rates, [1.5, abs(1 + 0.25j)], rtol=0.02)
    np.testing.assert_allclose(found.seconds, [1.2, abs(1 + 0.1j)], rtol=0.02)
    np.testing.assert_allclose(found.finite_rates, [1.5, abs(1 + 0.25j)], rtol=1e-12)
    skewed = Block(
        Attention(None, None, np.asarray([[[0.5, 4.0], [0.0, 0.1]]])), None, NO_NORM, residual=0.0
    )
    found = mode_rates([skewed] * 6, [1.0], np.asarray([1.0, 0.0]), depth=2)
    twice = skewed.attention.value[0] @ skewed.attention.value[0]
    assert found.finite_rates[0] == approx(np.linalg.norm(twice, ord=2) ** 0.5, rel=1e-9)


def test_a_mode_that_dies_late_is_dead() -> None:
    found = mode_rates([*[linear([1.0])] * 9, linear([-1.0])], [1.0], np.ones(1), depth=10)
    assert found.rates[0] == found.finite_rates[0] == found.errors[0] == 0


def test_a_tied_stack_without_attractor_is_seen_to_the_depth_asked_for() -> None:
    turn = np.asarray([[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]])
    block = Block(Attention(None, None, turn[None]), norm_1=NO_NORM, residual=0.0)
    found = mode_rates(block, [1.0], np.asarray([1.0, 0.0]), depth=24, layers=3)
    assert found.depth == 24
    grown = linear([0.5, 0.2])
    assert mode_rates(grown, [1.0], np.asarray([1.0, 1.0]), depth=5).depth == 5


@pytest.mark.parametrize("period", [2, 3])
def test_the_second_of_a_cycle_is_a_rate_a_layer(period: int) -> None:
    block = linear([0.5, 0.2], residual=0.0)
    at = Attractor(np.ones((period, 2)), 0.0, 1.0)
    found, _, seconds = rates._attractor_rates(block, at, np.ones(1))
    assert found[0] == approx(0.5)
    assert seconds[0] == approx(0.2)


def test_a_mode_that_dies_has_rate_zero_and_no_bar() -> None:
    found = mode_rates([linear([-1.0])] * 5, [1.0, 0.5], np.asarray([1.0]))
    np.testing.assert_allclose(found.rates, [0.0, 0.5])
    np.testing.assert_allclose(found.finite_rates, [0.0, 0.5])
    assert found.errors[0] == 0
    tall = mode_rates([linear([-1.0, -0.5])] * 5, [1.0], np.asarray([1.0, 1.0]))
    assert tall.finite_rates[0] == approx(0.5)


def test_conjugates_and_copies_share_one_rate() -> None:
    mu = [0.5 + 0.5j, 0.5 - 0.5j, 0.2, 0.5 + 0.5j]
    found = mode_rates([linear([0.5])] * 3, mu, np.asarray([1.0]))
    wanted = np.abs(1 + 0.5 * np.asarray(mu))
    np.testing.assert_allclose(found.rates, wanted, rtol=1e-12)
    np.testing.assert_array_equal(found.eigenvalues, mu)


@pytest.mark.parametrize("period", [1, 2])
def test_a_rate_at_an_attractor_is_its_slope_a_layer(period: int) -> None:
    block = curved(0.8, 1.0) if period == 1 else curved(2.0, -1.0, bias=0.1)
    found = mode_rates(block, [1.0, 0.3], np.asarray([0.4]))
    attractor = find_attractor(block, np.asarray([0.4]))
    assert attractor is not None
    assert attractor.period == period
    ffn = block.feed_forward
    assert ffn is not None
    assert ffn.bias_in is not None
    inner = attractor.points[:, 0] * ffn.weight_in[0, 0] + ffn.bias_in[0]
    slopes = ffn.weight_out[0, 0] * ffn.weight_in[0, 0] / np.cosh(inner) ** 2
    wanted = np.abs(slopes).prod() ** (1 / period)
    np.testing.assert_allclose(found.rates, [wanted, 0.3 * wanted], rtol=1e-12)
    assert found.method == ("fixed point" if period == 1 else "cycle of 2")
    assert found.token_growth == 1
    assert (found.errors < 1e-12).all()
    assert (found.errors > 1e-17).all()
    assert (found.seconds == 0).all()


@pytest.mark.parametrize("residual", [1e-4, 1e-8])
def test_the_bar_holds_what_a_point_off_by_its_residual_changes(residual: float) -> None:
    """Far out on the tanh the slope changes by 2 |w x| times as much as the point, relative."""
    block = curved(1.2, 3.5, bias=0.0)
    attractor = find_attractor(block, np.asarray([3.0]))
    assert attractor is not None
    exact, _, _ = rates._attractor_rates(block, attractor, np.asarray([1.0]))
    off = Attractor(attractor.points * (1 + residual), residual, 1.0)
    found, errors, _ = rates._attractor_rates(block, off, np.asarray([1.0]))
    assert errors[0] >= abs(found[0] - exact[0]) > 4 * residual * exact[0]
    assert errors[0] == approx(10 * residual * found[0], rel=1e-5)


@pytest.mark.parametrize("angle", [0.0, 1.2, 1.5])
def test_the_bar_grows_with_the_condition_of_the_eigenvalue(angle: float) -> None:
    value = np.asarray([[[0.5, np.tan(angle)], [0.0, 0.2]]])
    block = Block(Attention(None, None, value), norm_1=NO_NORM, residual=0.0)
    at = Attractor(np.asarray([[1.0, 0.0]]), 1e-6, 1.0)
    found, errors, seconds = rates._attractor_rates(block, at, np.asarray([1.0]))
    values, left = np.linalg.eig(value[0].T)
    right = np.linalg.inv(left.T)
    top = int(np.argmax(values))
    condition = np.linalg.norm(left[:, top]) * np.linalg.norm(right[:, top])
    size = np.linalg.norm(value)
    assert found[0] == approx(0.5)
    assert seconds[0] == approx(0.2)
    wanted = size * (2 * 2.0**-52 + 1e-5) * condition
    wanted = min(wanted, size * (1e-5) ** 0.5)
    assert errors[0] == approx(wanted, rel=1e-6)


def test_a_defective_eigenvalue_moves_by_a_root_of_the_rounding() -> None:
    value = np.asarray([[[0.5, 1.0], [0.0, 0.5]]])
    block = Block(Attention(None, None, value), norm_1=NO_NORM, residual=0.0)
    points = np.asarray([[1.0, 0.0], [1.0, 0.0]])
    found, errors, _ = rates._attractor_rates(block, Attractor(points, 0.0, 1.0), np.ones(1))
    size = np.linalg.norm(value[0] @ value[0])
    moved = size * (4 * 2.0**-52) ** 0.5
    assert errors[0] == approx(moved / 2 * 0.5 / 0.25, rel=1e-6)
    assert found[0] == approx(0.5)
    zero = Block(Attention(None, None, 0 * value), norm_1=NO_NORM, residual=0.0)
    found, errors, _ = rates._attractor_rates(zero, Attractor(points, 0.0, 1.0), np.ones(1))
    assert found[0] == errors[0] == 0


def test_the_standard_error_sees_drifts_and_correlation() -> None:
    rng = np.random.default_rng(2)
    white = rng.standard_normal((4096, 3))
    np.testing.assert_allclose(standard_error(white), 1 / 64, rtol=0.6)
    assert (standard_error(white) >= white.std(axis=0, ddof=1) / 64).all()
    slow = np.repeat(white[:256], 16, axis=0)  # as good as 256 numbers
    assert (standard_error(slow) >= white[:256].std(axis=0, ddof=1) / 16 * 0.999).all()
    drift = np.concatenate([np.zeros(500), np.ones(500)])
    assert standard_error(drift) >= 0.5
    assert standard_error(np.asarray([1.0, 3.0])) == 1
    assert standard_error(np.asarray([1.0, 5.0, 3.0])) == approx(1.5)
    assert np.isinf(standard_error(np.asarray([1.0])))
    paired = np.asarray([1.0, 1.0, -1.0, -1.0] * 4)
    wanted = max(paired.std(ddof=1) / 4, np.asarray([1.0, -1.0] * 4).std(ddof=1) / 8**0.5)
    assert standard_error(paired) == approx(wanted)
    odd = np.asarray([0.0] * 8 + [4.0])
    wanted = max(odd.std(ddof=1) / 3, 4 / 5 / 2)
    assert standard_error(odd) == approx(wanted)


def test_a_stack_without_scale_keeps_its_token_at_norm_one() -> None:
    orbit = tied_orbit(linear([1.0, 0.0]), np.asarray([3.0, 4.0]))
    step, growth = next(orbit)
    assert growth == approx(np.log(np.hypot(6, 4) / 5))
    np.testing.assert_allclose(step.token, [6.0, 4.0])
    step, growth = next(orbit)
    first = np.asarray([6.0, 4.0]) / np.hypot(6, 4)
    np.testing.assert_allclose(step.token, first * [2, 1])
    assert growth == approx(np.log(np.linalg.norm(first * [2, 1])))
    vanished = tied_orbit(linear([0.0], residual=0.0), np.asarray([1.0]))
    assert next(vanished)[1] == -np.inf
    stack: list[tuple[Floats, float]] = [
        (step.token, growth) for step, growth in tied_orbit([linear([1.0])] * 3, np.ones(1))
    ]
    assert [growth for _, growth in stack] == approx([np.log(2)] * 3)


def test_bad_requests_are_refused() -> None:
    with pytest.raises(InputError, match="depth must be at least 1"):
        mode_rates(linear([1.0]), [1.0], np.ones(1), depth=0)
    with pytest.raises(InputError, match="layers must be at least 1"):
        mode_rates(linear([1.0]), [1.0], np.ones(1), layers=0)
    for wrong in (np.ones((2, 2)), [np.nan], [1.0, np.inf], ["one"], np.asarray([None])):
        with pytest.raises(InputError, match="one axis"):
            mode_rates(linear([1.0]), wrong, np.ones(1))
    assert mode_rates([linear([1.0])], [1.0], np.ones(1), depth=1, layers=1).depth == 1
    with pytest.raises(InputError, match="is empty"):
        mode_rates([], [1.0], np.ones(1))


def test_an_orbit_that_never_closes_is_averaged() -> None:
    """A rotation by an angle that no power undoes, of a token without scale."""
    angle = 1.0
    turn = np.asarray([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    block = Block(Attention(None, None, turn[None]), norm_1=NO_NORM, residual=0.0)
    found = mode_rates(block, [1.0, 0.5], np.asarray([1.0, 0.0]), layers=50)
    assert found.method == "lyapunov"
    np.testing.assert_allclose(found.rates, [1.0, 0.5], rtol=1e-12)
    assert found.attractor is None
