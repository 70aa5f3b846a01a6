"""The derivations of the law: general n by sums, small n written out, two tokens in closed form."""

from itertools import combinations

import numpy as np
import pytest
import sympy as sp

from theory.arrays import InputError
from theory.symbolic.law import T, explicit_first_order, first_order, two_token_mean, two_tokens


def test_for_any_number_of_tokens_only_the_random_walk_is_left_at_first_order() -> None:
    found = first_order()
    assert found.difference == 0
    assert found.weights == 0
    assert found.derived.has(sp.Sum)
    names = {str(symbol) for symbol in found.derived.free_symbols}
    assert "x" not in names
    assert "s" not in names


@pytest.mark.parametrize(
    ("n", "listened"),
    [(n, who) for n in (2, 3) for size in range(1, n + 1) for who in combinations(range(n), size)],
)
def test_with_all_scores_written_out_it_is_the_same_for_every_mask(
    n: int, listened: tuple[int, ...]
) -> None:
    found = explicit_first_order(n, listened)
    assert found.difference == 0
    assert found.weights == 0


def test_the_second_order_of_a_masked_row_does_not_drop_out() -> None:
    """So the check above can fail: scores do matter, one order later."""
    x, c, d0, d1 = sp.symbols("x c D_0 D_1", real=True)
    tokens = (x + T * d0, x + T * d1)
    weights = [sp.exp(tokens[0] * c * token) for token in tokens]
    heard = (weights[0] * tokens[0] + weights[1] * tokens[1]) / (weights[0] + weights[1])
    second = sp.simplify(heard.diff(T, 2).subs(T, 0))
    assert sp.simplify(second - c * x * (d0 - d1) ** 2 / 2) == 0


def test_two_tokens_have_a_gate_in_closed_form() -> None:
    found = two_tokens()
    s00, s01, s10, s11 = sp.symbols("s_00 s_01 s_10 s_11", real=True)
    a, b = sp.symbols("a b", real=True)
    gate = found.gate.subs({a: s00 - s01, b: s10 - s11})
    assert sp.simplify((gate - found.softmax).rewrite(sp.exp)) == 0
    w = sp.Symbol("w", real=True)
    assert sp.expand(found.series.coeff(T, 2) - w / 2) == 0  # (a - b) / 4
    assert found.series.coeff(T, 0) == found.series.coeff(T, 1) == 0


def test_the_gate_is_what_attention_does_to_two_tokens() -> None:
    rng = np.random.default_rng(0)
    first, second, query, key = rng.standard_normal((4, 3))
    q = np.outer(query, key)
    scores = np.asarray([[p @ q @ r for r in (first, second)] for p in (first, second)])
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    heard = weights @ np.stack([first, second])
    a, b = scores[:, 0] - scores[:, 1]
    symbols = sp.symbols("a b", real=True)
    value = float(two_tokens().gate.subs(dict(zip(symbols, (a, b), strict=True))))
    assert np.allclose(heard[0] - heard[1], value * (first - second), atol=1e-14)


def test_the_mean_of_two_tokens_has_eigenvalue_one_and_their_difference_zero() -> None:
    r, v = sp.symbols("r v", real=True)
    assert two_token_mean() == (r + v, r)


def test_a_row_needs_somebody_to_listen_to() -> None:
    with pytest.raises(InputError, match="listened must hold"):
        explicit_first_order(2, ())
    with pytest.raises(InputError, match="listened must hold"):
        explicit_first_order(2, (2,))
