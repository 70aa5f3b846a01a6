"""Verdicts with three values, and what a bound implies kept apart from whether it holds."""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.test_theory.helpers.exact import to
from theory.arrays import Array, InputError
from theory.statements.domains import Domain, draw
from theory.statements.evaluation import check
from theory.statements.instances import as_float64, map_arrays, member
from theory.statements.theorem import Hypothesis, Theorem
from theory.statements.verdict import COMPUTABLE, FINITE, Verdict
from theory.theorems.block.input import BlockInput
from theory.theorems.block.shi2022_lemmas import Averaging, LinearMap
from theory.theorems.catalogue import CATALOGUE

ATTENTION = CATALOGUE["attention"]
TOKENS = np.asarray([[1.0, 0.0], [-1.0, 3.0]])


@dataclass(frozen=True)
class Number:
    """Tokens of one entry, of which a claim is made."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d"}

    tokens: Array


def _claim(**sides: Any) -> Theorem[Number]:
    """State: the number is at most one."""
    given: dict[str, Any] = {
        "lhs": lambda at: at.tokens[..., 0, 0],
        "rhs": lambda at: 1 + 0 * at.tokens[..., 0, 0],
        "rounding": lambda at: 0 * at.tokens[..., 0, 0],
        "hypotheses": (Hypothesis("not negative", lambda at: -at.tokens[..., 0, 0]),),
    }
    domain: Domain[Number] = Domain({}, {}, lambda sizes, params: Number(np.zeros((1, 1))))
    return Theorem("number", "x <= 1", "derived", domain, **(given | sides))


def _on(*values: float) -> Number:
    return Number(np.asarray(values)[:, None, None])


def test_a_verdict_has_three_values() -> None:
    verdict = check(_claim(), _on(0.5, 2.0, -1.0))
    assert list(verdict.status) == ["holds", "refuted", "does not apply"]
    assert list(verdict.applies) == [True, True, False]
    assert verdict.reasons == ("not negative",)


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0])
def test_without_a_batch_a_verdict_is_a_scalar(value: float) -> None:
    verdict = check(_claim(), Number(np.asarray([[value]])))
    assert isinstance(verdict.status, str)
    assert verdict.lhs.shape == ()
    assert float(verdict.excess) == value - 1
    assert verdict.status == check(_claim(), _on(value)).status[0]


def test_rounding_is_forgiven_and_nothing_beyond_it() -> None:
    claim = _claim(rounding=lambda at: 0.25 + 0 * at.tokens[..., 0, 0])
    verdict = check(claim, _on(1.25, 1.251))
    assert list(verdict.status) == ["holds", "refuted"]
    assert verdict.ratio[0] <= 1 < verdict.ratio[1]


def test_where_rounding_is_as_large_as_what_is_compared_nothing_is_claimed() -> None:
    for rounding, word in ((0.99, "holds"), (1.0, "does not apply"), (7.0, "does not apply")):
        claim = _claim(rounding=lambda at, much=rounding: much + 0 * at.tokens[..., 0, 0])
        verdict = check(claim, _on(0.5, 1.5))  # below and above the right side, which is 1
        assert list(verdict.status) == [word, word]
        assert list(verdict.drowned) == [word != "holds"] * 2
        assert verdict.applies.all()
    claim = _claim(rounding=lambda at: 7 + 0 * at.tokens[..., 0, 0])
    assert check(claim, _on(8.5)).status[0] == "refuted"
    nothing = _claim(
        rhs=lambda at: 0 * at.tokens[..., 0, 0], rounding=lambda at: 1 + 0 * at.tokens[..., 0, 0]
    )
    assert check(nothing, _on(0.0)).status[0] == "holds", "equal tokens that stay equal"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_does_not_apply_and_spoils_no_neighbour(value: float) -> None:
    verdict = check(_claim(), _on(0.5, value, 2.0))
    assert list(verdict.status) == ["holds", "does not apply", "refuted"]
    assert FINITE in verdict.reasons
    assert check(_claim(), Number(np.asarray([[value]]))).status == "does not apply"


@pytest.mark.parametrize("side", ["lhs", "rhs", "rounding"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_side_that_is_no_number_never_holds(side: str, value: float) -> None:
    claim = _claim(**{side: lambda at: value + 0 * at.tokens[..., 0, 0]})
    verdict = check(claim, _on(0.5))
    assert not verdict.holds.any()
    assert verdict.reasons == (COMPUTABLE,)


def test_a_hypothesis_that_gives_nan_is_not_met() -> None:
    claim = _claim(hypotheses=(Hypothesis("odd", lambda at: np.nan * at.tokens[..., 0, 0]),))
    assert check(claim, _on(0.5)).status[0] == "does not apply"


def test_what_could_not_be_computed_is_not_called_broken() -> None:
    claim = _claim(
        hypotheses=(
            Hypothesis("odd", lambda at: np.nan * at.tokens[..., 0, 0]),
            Hypothesis("not negative", lambda at: -at.tokens[..., 0, 0]),
            Hypothesis("finite", lambda at: 0 * at.tokens[..., 0, 0]),
        )
    )
    verdict = check(claim, _on(-1.0, 0.5))
    assert verdict.reasons == ("not negative",)
    assert verdict.unknown == ("odd",)
    # Where an entry is infinite nothing else was tried, and there is nothing else to report.
    verdict = check(claim, _on(np.inf))
    assert (verdict.reasons, verdict.unknown) == ((FINITE,), ())


def test_a_trial_is_decided_where_rounding_is_smaller_than_what_is_compared() -> None:
    claim = _claim(rounding=lambda at: at.tokens[..., 0, 0])
    assert list(check(claim, _on(0.5, 1.0, 2.0, -1.0)).decided) == [True, False, False, False]
    equality = replace(claim, rhs=lambda at: 0 * at.tokens[..., 0, 0])
    assert not check(equality, _on(0.5)).decided.any()
    sized = replace(equality, scale=lambda at: 1 + 0 * at.tokens[..., 0, 0])
    assert list(check(sized, _on(0.5, 1.0)).decided) == [True, False]


def test_a_side_that_refuses_one_member_spoils_no_neighbour() -> None:
    def refuse(at: Number) -> Array:
        if (at.tokens > 5).any():
            raise InputError("too large")
        return at.tokens[..., 0, 0]

    verdict = check(_claim(lhs=refuse), _on(0.5, 9.0, 2.0))
    assert list(verdict.status) == ["holds", "does not apply", "refuted"]


def test_an_overflow_is_not_a_refutation() -> None:
    huge = LinearMap(1e300 * TOKENS, 1e300 * np.eye(2), np.zeros((2, 2)))
    verdict = check(CATALOGUE["linear"], huge)
    assert verdict.status == "does not apply"
    assert COMPUTABLE in verdict.reasons


def test_a_zero_variance_token_is_outside_the_block_theorem() -> None:
    outside = CATALOGUE["block-v-lower-bound"].outside
    assert outside is not None
    at = outside()
    at = BlockInput(at.block, np.ones_like(at.tokens), adjacency=at.adjacency)
    verdict = check(CATALOGUE["block-v"], at)
    assert verdict.status == "does not apply"
    assert "every std that a norm divides by is positive" in verdict.unknown


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_library_and_dtype_is_judged_in_float64(xp: ModuleType, dtype: str) -> None:
    at = Averaging(to(xp, TOKENS, dtype), to(xp, [[1 / 3, 2 / 3], [0.9, 0.1]], dtype))
    verdict = check(ATTENTION, at)
    assert verdict.status == "holds"
    assert verdict.lhs.dtype == np.float64
    assert isinstance(verdict.lhs, np.ndarray)
    converted = as_float64(at)
    assert converted.tokens.dtype == xp.float64
    assert at.tokens.dtype == getattr(xp, dtype)


@pytest.mark.parametrize("key", sorted(CATALOGUE))
def test_every_theorem_is_judged_the_same_on_every_library(
    xp: ModuleType, device: Any, key: str
) -> None:
    theorem = CATALOGUE[key]
    for seed in range(4):
        at = draw(theorem.domain, np.random.default_rng([seed, 5]), members=2).instance
        moved = map_arrays(lambda array, axes: xp.asarray(array, device=device), at)
        one, other = check(theorem, at), check(theorem, moved)
        clear = ~one.drowned & ~other.drowned  # a rhs that is 0 here may be rounding there
        assert list(one.status[clear]) == list(other.status[clear])
        assert (np.abs(one.lhs - other.lhs) <= one.rounding + other.rounding).all()


def test_whole_numbers_are_converted_too() -> None:
    at = Averaging(np.asarray([[1, 0], [-1, 3]]), np.asarray([[1, 0], [0, 1]]))
    assert check(ATTENTION, at).status == "holds"


@pytest.mark.parametrize("key", sorted(CATALOGUE))
def test_a_batch_is_judged_as_its_members_are(key: str) -> None:
    theorem = CATALOGUE[key]
    rng = np.random.default_rng(7)
    for _ in range(3):
        sizes = {
            name: int(rng.integers(size.low, size.high, endpoint=True))
            for name, size in theorem.domain.sizes.items()
        }
        params = {
            name: np.where(rng.random((3, *shape)) < 0.3, 0.0, rng.standard_normal((3, *shape)))
            for name, shape in theorem.domain.shapes(sizes).items()
        }
        batch = theorem.domain.build(sizes, params)
        together = check(theorem, batch)
        for i in range(3):
            alone = check(theorem, member(as_float64(batch), (i,)))
            assert alone.status == together.status[i]
            _close(alone.lhs, together.lhs[i], alone)
            _close(alone.rhs, together.rhs[i], alone)


def _close(one: Any, other: Any, verdict: Verdict) -> None:
    assert abs(one - other) <= verdict.rounding + 1e-12 * abs(other)


def test_an_array_without_batch_axes_belongs_to_every_member() -> None:
    at = LinearMap(np.stack([TOKENS, np.full((2, 2), np.nan)]), np.eye(2), np.ones((2, 2)))
    assert list(check(CATALOGUE["linear"], at).status) == ["holds", "does not apply"]


def test_an_array_that_nobody_told_of_is_refused() -> None:
    @dataclass(frozen=True)
    class Careless:
        other: Array

    with pytest.raises(InputError, match=r"Careless\.other"):
        map_arrays(lambda array, axes: array, Careless(np.ones(3)))


def test_an_empty_batch_gets_an_empty_verdict() -> None:
    verdict = check(ATTENTION, Averaging(np.zeros((0, 2, 1)), np.zeros((0, 2, 2))))
    assert verdict.status.shape == (0,)


def test_a_claim_expected_to_fail_must_name_its_correction() -> None:
    with pytest.raises(InputError, match="correction"):
        replace(_claim(), expected="refuted", witness=lambda: _on(2.0))


def test_a_tight_or_false_claim_must_have_a_witness() -> None:
    with pytest.raises(InputError, match=r"tight=True needs a witness.* reaches equality"):
        replace(_claim(), tight=True)
    with pytest.raises(InputError, match=r"expected='refuted' needs a witness.* breaks the claim"):
        replace(_claim(), expected="refuted", correction="less")
    with pytest.raises(InputError, match="not tight"):
        replace(_claim(), expected="refuted", correction="less", tight=True)


def test_a_verdict_is_compared_by_identity_and_without_an_error() -> None:
    one, other = (check(_claim(), _on(0.5, 2.0)) for _ in range(2))
    assert one == one
    assert one != other
