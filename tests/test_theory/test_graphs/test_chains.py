"""The random walk on the tokens: classes, periods, radius, long run, gap."""

from collections.abc import Callable
from functools import reduce
from math import gcd
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers.graph_strategies import masks, walks, weights
from theory.arrays import Array, InputError, eps
from theory.graphs.chains import (
    closed_classes,
    periods,
    radius,
    spectral_gap,
    spectrum,
    stationary_distributions,
)
from theory.graphs.conversions import random_walk, to_networkx
from theory.graphs.masks import block_mask, causal_mask, full_mask, graph_mask, window_mask
from theory.graphs.stochastic import dobrushin_coefficient

# Two ways to listen to one another, a listener to both pairs, and one to that listener.
TWO_PAIRS = graph_mask(
    nx.DiGraph([(0, 1), (1, 0), (4, 3), (3, 4), (2, 0), (2, 3), (5, 2)]), nodelist=range(6)
)


def _reached(mask: Array, steps: int) -> Array:
    """Return which tokens a walk of exactly so many steps may end at: no rounding."""
    return reduce(lambda power, _: power @ mask, range(steps), np.eye(len(mask), dtype=bool))


# --- classes ------------------------------------------------------------------------------


@given(masks())
def test_closed_classes_are_the_attracting_components_and_all_else_is_transient(
    mask: Array,
) -> None:
    found = closed_classes(mask)
    assert set(map(frozenset, found.closed)) == set(
        map(frozenset, nx.attracting_components(to_networkx(mask)))
    )
    tokens = [token for part in (*found.closed, found.transient) for token in part]
    assert sorted(tokens) == list(range(len(mask)))
    assert list(found.closed) == sorted(tuple(sorted(part)) for part in found.closed)
    assert closed_classes(random_walk(mask)) == found


def test_known_classes() -> None:
    assert closed_classes(TWO_PAIRS) == (((0, 1), (3, 4)), (2, 5))
    assert closed_classes(causal_mask(4)) == (((0,),), (1, 2, 3))
    assert closed_classes(block_mask([1, 2])) == (((0,), (1, 2)), ())


# --- periods ------------------------------------------------------------------------------


@given(masks())
def test_a_period_divides_all_closed_walks_and_nothing_larger_does(mask: Array) -> None:
    for tokens, period in zip(closed_classes(mask).closed, periods(mask), strict=True):
        inner = mask[np.ix_(tokens, tokens)]
        # Closed walks of up to 2 n steps hold every cycle: their lengths have the same divisor.
        lengths = [t for t in range(1, 2 * len(inner) + 1) if _reached(inner, t).trace()]
        assert period == gcd(*lengths)
        assert (period == 1) == nx.is_aperiodic(to_networkx(inner))


def test_known_periods() -> None:
    assert periods(graph_mask(nx.cycle_graph(6))) == (2,)
    assert periods(graph_mask(nx.cycle_graph(5))) == (1,)
    assert periods(graph_mask(nx.cycle_graph(7, create_using=nx.DiGraph))) == (7,)
    assert periods(TWO_PAIRS) == (2, 2)
    assert periods(causal_mask(5)) == (1,)


# --- radius -------------------------------------------------------------------------------


@given(masks())
def test_the_radius_is_the_first_number_of_steps_in_which_somebody_reaches_all(
    mask: Array,
) -> None:
    lazy, found = mask | np.eye(len(mask), dtype=bool), radius(mask)
    # Column j of the power: who has heard of j.
    heard = [bool(_reached(lazy, t).all(axis=0).any()) for t in range(len(mask))]
    assert found == (heard.index(True) if any(heard) else None)
    assert (found is None) == (len(closed_classes(mask).closed) > 1)


@given(st.integers(1, 40), st.integers(1, 12))
def test_a_causal_window_needs_as_many_layers_as_its_reach_fits_in(n: int, reach: int) -> None:
    assert radius(window_mask(n, reach, causal=True)) == -(-(n - 1) // reach)
    assert radius(window_mask(n, reach)) == -(-(n // 2) // reach)


def test_the_word_travels_from_the_one_who_is_heard_to_the_listener() -> None:
    listening = nx.DiGraph([(1, 0), (2, 0), (3, 0)])  # all hear 0, who hears nobody
    assert radius(graph_mask(listening)) == 1
    assert radius(graph_mask(listening.reverse())) is None
    assert radius(causal_mask(9)) == radius(full_mask(9)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_for_a_connected_undirected_graph_it_is_the_radius_of_networkx(seed: int) -> None:
    graph = nx.connected_watts_strogatz_graph(20, 4, 0.2, seed=seed)
    assert radius(graph_mask(graph)) == nx.radius(graph)


# --- the long run -------------------------------------------------------------------------


@given(walks())
def test_each_closed_class_has_its_own_distribution_that_the_walk_keeps(walk: Array) -> None:
    found, classes = stationary_distributions(walk), closed_classes(walk)
    rounding = 4 * len(walk) * eps(walk)
    assert found.shape == (len(classes.closed), len(walk))
    for row, tokens in zip(found, classes.closed, strict=True):
        assert tuple(np.flatnonzero(row)) == tokens
        assert abs(row.sum() - 1) <= rounding
        np.testing.assert_allclose(row @ walk, row, rtol=0, atol=rounding)


@given(weights(symmetric=True, elements=st.integers(0, 9).map(float)))
def test_on_an_undirected_graph_tokens_count_by_their_degree(adjacency: Array) -> None:
    walk = random_walk(adjacency)
    degree = adjacency.sum(axis=-1)
    for row, tokens in zip(
        stationary_distributions(walk), closed_classes(walk).closed, strict=True
    ):
        share = degree[list(tokens)] / degree[list(tokens)].sum()
        # Each of n eliminations rounds a handful of times per entry and never subtracts.
        np.testing.assert_allclose(row[list(tokens)], share, rtol=20 * len(walk) ** 2 * eps(walk))


@pytest.mark.parametrize("n", [2, 8, 15, 25])
@pytest.mark.parametrize("turned", [False, True])
def test_the_rarest_tokens_keep_their_digits(n: int, turned: bool) -> None:
    # A ladder with a chance of 1e-20 to go up: by detailed balance 1, 1e-20, 1e-40, ...
    walk = random_walk(np.diag(np.full(n - 1, 1e-20), 1) + np.diag(np.ones(n - 1), -1) + np.eye(n))
    climb = np.concatenate([[1.0], np.diag(walk, 1) / np.diag(walk, -1)])
    with np.errstate(under="ignore"):
        expected = np.cumprod(climb) / np.cumprod(climb).sum()
    order = slice(None, None, -1) if turned else slice(None)
    found = stationary_distributions(walk[order, order])[0, order]
    # n eliminations, each with a handful of roundings; far down nothing is left but zero.
    np.testing.assert_allclose(found, expected, rtol=10 * n * eps(walk), atol=1e-300)


def test_entries_that_cannot_be_divided_by_are_refused() -> None:
    walk = np.asarray([[0.0, 1.0], [5e-324, 1.0]])
    with pytest.raises(InputError, match=r"the smallest is 4\.94e-324"):
        stationary_distributions(walk)


# --- gap ----------------------------------------------------------------------------------


@given(masks())
def test_there_is_a_gap_exactly_if_in_the_end_any_two_tokens_hear_a_common_one(
    mask: Array,
) -> None:
    n, gap = len(mask), spectral_gap(random_walk(mask))
    late = _reached(mask, n * n)  # Wielandt: an aperiodic class is full by (n - 1)^2 + 1 steps
    common = (late[:, None, :] & late[None, :, :]).any(axis=-1).all()
    assert (gap > 0) == common
    assert gap <= 1


@given(walks())
def test_no_walk_mixes_more_slowly_than_its_coefficient_says(walk: Array) -> None:
    second = np.abs(spectrum(walk)[1:2]).max(initial=0.0)
    # A defective eigenvalue of multiplicity k moves by the k-th root of the rounding.
    assert second <= dobrushin_coefficient(walk) + (40 * eps(walk)) ** (1 / len(walk))


@pytest.mark.parametrize(
    "mask",
    [
        *[graph_mask(nx.cycle_graph(n)) for n in range(4, 24, 2)],
        *[graph_mask(nx.cycle_graph(n, create_using=nx.DiGraph)) for n in range(3, 9)],
        *[block_mask([n, 3 * n]) for n in range(1, 12)],
        TWO_PAIRS,
    ],
)
def test_rounding_makes_no_gap_where_there_is_none(mask: Array) -> None:
    assert spectral_gap(random_walk(mask)) == 0.0


def test_known_gaps() -> None:
    assert spectral_gap(random_walk(causal_mask(5))) == 0.5
    assert spectral_gap(random_walk(full_mask(1))) == 1.0
    assert spectral_gap(random_walk(block_mask([2, 2]))) == 0.0
    assert spectral_gap(random_walk(graph_mask(nx.cycle_graph(6)))) == 0.0
    ring = random_walk(graph_mask(nx.cycle_graph(5)))
    assert spectral_gap(ring) == pytest.approx(1 - np.cos(np.pi / 5), abs=1e-15)


# --- edges of the domain ------------------------------------------------------------------


ALL: list[Callable[[Array], Any]] = [
    closed_classes,
    periods,
    radius,
    stationary_distributions,
    spectrum,
    spectral_gap,
]


@pytest.mark.parametrize("ask", ALL)
def test_any_library_may_ask(ask: Callable[[Array], Any], xp: ModuleType, device: Any) -> None:
    walk = random_walk(window_mask(6, 2, causal=True)).astype("float32")
    expected, found = ask(walk), ask(xp.asarray(walk, device=device))
    if isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("ask", ALL)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones((2, 3)), r"must have shape \(..., n, n\)"),
        (np.ones((0, 0)), "n > 0"),
        (np.stack([np.eye(2)] * 2), "must be one matrix"),
        (np.eye(2, dtype=int), "must have dtype"),
        (np.asarray([[np.nan, 1.0], [0.0, 1.0]]), "must be finite"),
        (np.asarray([[2.0, -1.0], [0.0, 1.0]]), "must not be negative"),
    ],
)
def test_what_is_no_graph_is_refused(ask: Callable[[Array], Any], bad: Array, message: str) -> None:
    with pytest.raises(InputError, match=f"adjacency .*{message}|adjacency {message}"):
        ask(bad)


@pytest.mark.parametrize("ask", [stationary_distributions, spectrum, spectral_gap])
def test_only_shares_make_a_walk(ask: Callable[[Array], Any]) -> None:
    with pytest.raises(InputError, match=r"row \(0,\) sums to 2.0; .*dividing each row"):
        ask(np.asarray([[1.0, 1.0], [0.0, 1.0]]))
    with pytest.raises(InputError, match="adjacency must have dtype"):
        ask(full_mask(2))


@pytest.mark.parametrize("ask", [closed_classes, periods])
def test_a_token_that_listens_to_nobody_is_named(ask: Callable[[Array], Any]) -> None:
    with pytest.raises(InputError, match="but token 1 has none"):
        ask(np.asarray([[True, True], [False, False]]))
