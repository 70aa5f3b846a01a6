"""Theorems in fifty digits: the same verdicts as in float64, but where float64 sees only noise."""

from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest

from theory.arrays import InputError, eps
from theory.blocks.activations import ACTIVATIONS
from theory.extended.verdicts import ExtendedVerdict, check_extended, extended, recheck
from theory.measures.subspace import consensus, consensus_distance, distance
from theory.statements.domains import Sample, draw
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem
from theory.statements.verdict import Verdict
from theory.theorems.block.shi2022_lemmas import LINEAR, LinearMap
from theory.theorems.catalogue import CATALOGUE

REFUTED = [key for key, theorem in CATALOGUE.items() if theorem.expected == "refuted"]
TRIALS = 3


def drawn(theorem: Theorem[Any], seed: int) -> Sample[Any]:
    return draw(theorem.domain, np.random.default_rng(seed))


def assert_agree(seen: Verdict, exact: ExtendedVerdict) -> None:
    """What float64 says is what the digits say, up to what float64 claims to round."""
    assert bool(exact.applies) == bool(seen.applies), (seen, exact)
    if seen.refuted:
        assert exact.refuted, (seen, exact)
    if exact.refuted and not seen.refuted:  # too small for float64 to tell
        assert exact.excess <= 2 * seen.rounding, (seen, exact)
    if seen.decided and seen.rhs > 0:
        assert exact.decided
        allowed = 1e-6 + 4 * seen.rounding / seen.rhs
        assert abs(exact.ratio - seen.ratio) <= allowed, (seen.ratio, exact.ratio)


@pytest.mark.parametrize("key", CATALOGUE)
def test_float64_and_fifty_digits_agree(key: str) -> None:
    theorem, decided = CATALOGUE[key], 0
    for seed in range(40):
        if seed >= TRIALS and decided:
            break
        sample = drawn(theorem, seed)
        seen = check(theorem, sample.instance)
        exact = recheck(theorem, sample.sizes, sample.params)
        assert_agree(seen, exact)
        if theorem.expected == "holds":
            assert not exact.refuted, (key, seed, exact)
        decided += bool(exact.decided)
    assert decided, "no draw was decided: nothing was compared"


@pytest.mark.parametrize("key", REFUTED)
def test_a_refutation_persists(key: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.witness is not None
    samples = (drawn(theorem, seed) for seed in range(60))
    found = next((s for s in samples if check(theorem, s.instance).refuted), None)
    pairs = [(check(theorem, theorem.witness()), check_extended(theorem, theorem.witness()))]
    if found is not None:
        again = recheck(theorem, found.sizes, found.params)
        pairs.append((check(theorem, found.instance), again))
    pairs = [(seen, exact) for seen, exact in pairs if exact.applies]
    assert pairs, "the witness's numbers miss a hypothesis by rounding, and no draw refutes it"
    for seen, exact in pairs:
        assert exact.status == seen.status == "refuted"
        assert exact.excess > 1e6 * exact.rounding
        error = 1e-12 + 2 * float(seen.rounding / seen.lhs)  # one is taken off
        assert exact.ratio == pytest.approx(float(seen.ratio), rel=error)


def one_by_one(rng: np.random.Generator) -> tuple[dict[str, int], dict[str, Any]]:
    """Draw a linear map of one feature, which stretches the distance by its norm exactly."""
    sizes = {"tokens": 3, "features": 1, "width": 1, "scale": 0}
    shapes = LINEAR.domain.shapes(sizes)
    return sizes, {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def test_a_refutation_that_is_float_noise_does_not_persist() -> None:
    careless = replace(LINEAR, rounding=lambda at: 1e-30 * LINEAR.rhs(at))
    noise = 0
    for seed in range(20):
        sizes, params = one_by_one(np.random.default_rng(seed))
        noise += bool(check(careless, LINEAR.domain.build(sizes, params)).refuted)
        assert recheck(careless, sizes, params).status == "holds"
    assert noise > 0, "float64 happened to be exact every time"


def test_a_violation_below_round_off_is_seen() -> None:
    wrong = replace(LINEAR, rhs=lambda at: LINEAR.rhs(at) - 1e-25 * LINEAR.rhs(at))
    sizes, params = one_by_one(np.random.default_rng(0))
    assert check(wrong, LINEAR.domain.build(sizes, params)).status == "holds"
    exact = recheck(wrong, sizes, params)
    assert exact.status == "refuted"
    assert exact.excess == pytest.approx(1e-25 * float(exact.rhs))
    assert exact.lhs == exact.rhs, "in float64 the two sides are the same number"
    assert recheck(wrong, sizes, params, digits=20).status == "holds"


def test_what_holds_up_to_rounding_only_is_built_anew() -> None:
    theorem = CATALOGUE["block-v-lower-bound"]
    reasons = set()
    for seed in range(10):
        sample = drawn(theorem, seed)
        assert check(theorem, sample.instance).applies
        assert recheck(theorem, sample.sizes, sample.params).applies
        reasons |= set(check_extended(theorem, sample.instance).reasons)
    assert reasons == {"no token's root mean square exceeds one"}


def test_members_of_a_batch_are_judged_one_by_one() -> None:
    sizes, params = one_by_one(np.random.default_rng(1))
    both = {name: np.stack([values, 2 * values]) for name, values in params.items()}
    both["tokens"][1, 0, 0] = np.nan
    together = recheck(LINEAR, sizes, both)
    assert together.status.tolist() == ["holds", "does not apply"]
    assert together.lhs[0] == recheck(LINEAR, sizes, params).lhs


def test_an_instance_that_breaks_a_hypothesis_does_not_apply() -> None:
    assert LINEAR.outside is not None
    verdict = check_extended(LINEAR, LINEAR.outside())
    assert verdict.status == "does not apply"
    assert verdict.reasons == ("the bias is the same for every token",)


@pytest.mark.parametrize("digits", [20, 50, 120])
def test_the_rounding_allowance_shrinks_with_the_digits(digits: int) -> None:
    sizes, params = one_by_one(np.random.default_rng(2))
    verdict = recheck(LINEAR, sizes, params, digits=digits)
    assert verdict.digits == digits
    assert 0 < verdict.rounding < 1e3 * 10.0**-digits * float(verdict.rhs)
    assert verdict.status == "holds"
    assert isinstance(verdict.exact.lhs[()], mpmath.ctx_mp_python._mpf)


@pytest.mark.parametrize("digits", [0, 16, 251, 50.5])
def test_too_few_or_too_many_digits_are_refused(digits: Any) -> None:
    with pytest.raises(InputError, match="digits must be a whole number from 20 to 250"):
        extended(np.ones(1), digits=digits)


def test_the_distance_below_round_off_has_all_its_digits() -> None:
    tokens = extended(np.asarray([[1.0], [1.0]])) + extended([[1e-30], [0.0]])
    # The two tokens are 1e-30 apart, as a float64: their distance is that over sqrt 2.
    with mpmath.workdps(60):
        wanted = mpmath.mpf(1e-30) / mpmath.sqrt(2)
        assert abs(mpmath.mpf(consensus_distance(tokens).data[()]) / wanted - 1) < 1e-18
        again = distance(consensus(2, like=tokens), tokens).data[()]
        assert abs(mpmath.mpf(again) / wanted - 1) < 1e-18


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "silu"])
def test_the_stated_slope_of_a_gate_bounds_it_in_all_digits(name: str) -> None:
    phi = ACTIVATIONS[name]
    low, high = extended(np.asarray(1.0)), extended(np.asarray(3.0))
    for _ in range(150):  # the slope has one top there
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if phi.derivative(left) < phi.derivative(right):
            low = left
        else:
            high = right
    top = phi.derivative(low)
    assert 0 <= phi.lipschitz - top < 4 * np.finfo(float).eps


def test_gelu_is_right_in_all_digits() -> None:
    x = extended(np.asarray([-30.0, -1.0, 0.0, 1e-20, 2.5]))
    with mpmath.workdps(70):
        wanted = [
            mpmath.mpf(v) * mpmath.erfc(-mpmath.mpf(v) / mpmath.sqrt(2)) / 2 for v in x.rounded()
        ]
        found = [mpmath.mpf(v) for v in ACTIVATIONS["gelu"].function(x).data]
        # An argument that is off by eps moves the tail at -30 by 900 times as much.
        errors = [abs(f - w) for f, w in zip(found, wanted, strict=True)]
        assert all(e <= 2000 * eps(x) * abs(w) for e, w in zip(errors, wanted, strict=True))


def test_a_theorem_whose_kernel_leaves_the_library_is_no_silent_loss() -> None:
    def on_the_host(at: LinearMap) -> Any:
        return np.asarray(at.tokens).sum()

    sizes, params = one_by_one(np.random.default_rng(3))
    with pytest.raises(InputError, match="would lose digits"):
        recheck(replace(LINEAR, rhs=on_the_host), sizes, params)
