"""What must not change when tokens are renamed, features are rotated or tokens are doubled."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.arrays import InputError
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.instances import map_arrays
from theory.statements.verdict import Verdict
from theory.theorems.block.shi2022_lemmas import Averaging, LinearMap, WeightedSum
from theory.theorems.catalogue import CATALOGUE

pytestmark = pytest.mark.once

SEEDS = st.integers(0, 2**32 - 1)
TRUE = sorted(key for key, theorem in CATALOGUE.items() if theorem.expected == "holds")
EQUIVARIANT = [key for key in CATALOGUE if key != "layer-norm-general-subspace"]


def _draw(key: str, seed: int) -> Any:
    return draw(CATALOGUE[key].domain, np.random.default_rng(seed)).instance


def _agree(one: Verdict, other: Verdict) -> None:
    assert one.applies == other.applies
    allowed = one.rounding + other.rounding
    assert abs(one.lhs - other.lhs) <= allowed
    assert abs(one.rhs - other.rhs) <= allowed


def _renamed(at: Any, order: np.ndarray[Any, Any]) -> Any:
    """Put the tokens in another order, wherever an axis is one of tokens."""
    n = len(order)
    per_token = {"tokens", "other", "bias", "weights", "other_weights", "basis"}
    changes: dict[str, Any] = {}
    for name in (field.name for field in fields(at)):
        value = getattr(at, name)
        if name in ("adjacency", "mask") and value is not None:
            changes[name] = value[..., order, :][..., :, order]
        elif name in per_token and value is not None:
            axis = 0 if value.ndim == 1 else value.ndim - 2
            assert value.shape[axis] == n
            changes[name] = np.take(value, order, axis=axis)
        elif name == "run":
            changes[name] = _renamed(value, order)
    return replace(at, **changes)


@pytest.mark.parametrize("key", EQUIVARIANT)
@given(seed=SEEDS)
def test_the_order_of_the_tokens_does_not_matter(key: str, seed: int) -> None:
    at = _draw(key, seed)
    order = np.random.default_rng(seed).permutation(at.tokens.shape[-2])
    _agree(check(CATALOGUE[key], at), check(CATALOGUE[key], _renamed(at, order)))


def _rotation(seed: int, d: int) -> np.ndarray[Any, Any]:
    rotation: np.ndarray[Any, Any] = np.linalg.qr(
        np.random.default_rng(seed).standard_normal((d, d))
    )[0]
    return rotation


def _rotate_linear(at: LinearMap, turn: Callable[[int], Any]) -> LinearMap:
    d = at.tokens.shape[-1]
    return replace(at, tokens=at.tokens @ turn(d), weight=turn(d).T @ at.weight)


def _rotate_averaging(at: Averaging, turn: Callable[[int], Any]) -> Averaging:
    return replace(at, tokens=at.tokens @ turn(at.tokens.shape[-1]))


def _rotate_sum(at: WeightedSum, turn: Callable[[int], Any]) -> WeightedSum:
    r = turn(at.tokens.shape[-1])
    return replace(at, tokens=at.tokens @ r, other=at.other @ r)


@pytest.mark.parametrize(
    ("key", "rotate"),
    [("linear", _rotate_linear), ("attention", _rotate_averaging), ("weighted-sum", _rotate_sum)],
)
@given(seed=SEEDS)
def test_parts_without_a_norm_do_not_see_a_rotation_of_the_features(
    key: str, rotate: Callable[..., Any], seed: int
) -> None:
    at = _draw(key, seed)
    rotated = rotate(at, lambda d: _rotation(seed, d))
    one, other = check(CATALOGUE[key], at), check(CATALOGUE[key], rotated)
    # Rotating rounds as a product with a d x d matrix does, on tokens and weight.
    d = at.tokens.shape[-1]
    turned = [at.tokens, at.other] if key == "weighted-sum" else [at.tokens]
    sizes = (max(np.abs(each).max(), 1e-300) for each in turned)
    lost = 20 * d * 2.3e-16 * at.tokens.size**0.5 * sum(sizes)
    lost = lost * (1 + sum(np.linalg.norm(getattr(at, n, 0)) for n in ("weight", "adjacency")))
    if key == "weighted-sum":
        lost = lost * (abs(at.weights[0]) + abs(at.other_weights[0]) + 1)
    for side in ("lhs", "rhs"):
        difference = abs(getattr(one, side) - getattr(other, side))
        assert difference <= one.rounding + other.rounding + lost


@pytest.mark.parametrize("key", sorted(CATALOGUE))
@given(seed=SEEDS)
def test_a_batch_of_copies_is_judged_as_one(key: str, seed: int) -> None:
    at = _draw(key, seed)
    copies = map_arrays(lambda array, axes: np.stack([array, array]), at)
    if key == "layer-norm-partition":
        copies = replace(copies, basis=at.basis)
    one, two = check(CATALOGUE[key], at), check(CATALOGUE[key], copies)
    assert list(two.status) == [one.status] * 2
    for i in range(2):
        assert abs(one.lhs - two.lhs[i]) <= one.rounding


@given(seed=SEEDS)
def test_doubling_every_token_multiplies_both_distances_by_the_root_of_two(seed: int) -> None:
    """Half of each weight goes to each twin, so that nobody hears anything new."""
    at: Averaging = _draw("attention", seed)
    twins = Averaging(np.concatenate([at.tokens, at.tokens]), np.tile(at.adjacency / 2, (2, 2)))
    one, other = (check(CATALOGUE["attention"], x) for x in (at, twins))
    allowed = np.sqrt(2) * one.rounding + other.rounding
    for side in ("lhs", "rhs"):
        assert abs(np.sqrt(2) * getattr(one, side) - getattr(other, side)) <= allowed


def _apart(at: Any, rng: np.random.Generator) -> Any:
    """Multiply every array of numbers, but those of a graph, by a power of two of its own."""
    powers = {
        field.name: value * 2.0 ** int(rng.integers(-900, 900))
        for field in fields(at)
        if isinstance(value := getattr(at, field.name), np.ndarray)
        and value.dtype.kind == "f"
        and field.name not in ("adjacency", "mask")
    }
    return replace(at, **powers)


@pytest.mark.slow
@pytest.mark.parametrize("key", TRUE)
def test_arrays_at_far_ends_of_the_range_refute_nothing(key: str) -> None:
    """Tokens of 1e107 and a weight of 1e-229 have a product; the weight's square is zero."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        at = draw(CATALOGUE[key].domain, rng).instance
        with np.errstate(all="ignore"), suppress(InputError):  # beyond the range
            at = _apart(at, rng)
            assert not check(CATALOGUE[key], at).refuted.any()
