"""Certified verdicts: every refutation is a proof, and no theorem is refuted by rounding."""

import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from theory.arrays import InputError
from theory.balls.nearest import NEAREST, certify_given
from theory.balls.verdicts import AS_GIVEN, BUILT, CertifiedVerdict, certify, certify_built
from theory.blocks.weights import Attention, Block, FeedForward
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.theorems.block.input import BlockInput
from theory.theorems.block.shi2022_lemmas import ATTENTION, LINEAR, Averaging
from theory.theorems.catalogue import CATALOGUE

pytest.importorskip("flint")

REFUTED = [key for key, theorem in CATALOGUE.items() if theorem.expected == "refuted"]
TIGHT = [key for key, theorem in CATALOGUE.items() if theorem.tight]
ONE_FEATURE = {"tokens": 3, "features": 1, "width": 1, "scale": 0}
EQUALITIES = {"tau-is-a-temperature", "path-decomposition"}
"""Claims that a difference is zero: no ball says that it is, unless both sides are rational."""


def drawn(key: str, number: int) -> CertifiedVerdict:
    theorem = CATALOGUE[key]
    sample = draw(theorem.domain, np.random.default_rng([number, 64]))
    return certify_built(theorem, sample.sizes, sample.params)


@pytest.mark.parametrize("key", REFUTED)
def test_every_refutation_in_this_catalogue_is_a_proof(key: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.witness is not None
    found = certify(theorem, theorem.witness())
    assert (found.outcome, found.certified) == ("refuted", True), found
    assert set(found.hypotheses.values()) <= {"met"}
    assert found.about == AS_GIVEN


@pytest.mark.parametrize("key", TIGHT)
def test_equality_stays_a_tie_and_no_constant_was_rounded_to_the_wrong_side(key: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.witness is not None
    found = certify(theorem, theorem.witness())
    assert found.outcome != "refuted", found
    if found.outcome == "tie":
        assert not found.certified


def test_most_theorems_certify_their_random_instances() -> None:
    certain = set()
    for key, theorem in CATALOGUE.items():
        for number in range(4):
            found = drawn(key, number)
            assert not (found.certified and found.outcome == "does not apply"), (key, found)
            if theorem.expected == "holds":
                assert found.outcome != "refuted", (key, number, found)
            if found.certified:
                certain.add(key)
                break
    assert len(certain) >= len(CATALOGUE) - 5, set(CATALOGUE) - certain
    assert len(certain) >= 50


@pytest.mark.slow
@pytest.mark.parametrize("key", CATALOGUE)
def test_many_random_instances_are_certified(key: str) -> None:
    outcomes = Counter(drawn(key, number).words for number in range(100, 140))
    if CATALOGUE[key].expected == "holds":
        assert not outcomes["refuted, certified"] + outcomes["refuted, not certified"]
    assert not outcomes["does not apply, certified"]
    if key not in EQUALITIES:
        assert outcomes["holds, certified"] + outcomes["refuted, certified"] >= 8, outcomes


@pytest.mark.parametrize(
    "key", ["linear", "attention", "layer-norm", "block-v", "gated-feed-forward"]
)
def test_the_enclosures_hold_what_float64_computes_up_to_its_rounding(key: str) -> None:
    theorem = CATALOGUE[key]
    for number in range(3):
        sample = draw(theorem.domain, np.random.default_rng([number, 7]))
        seen, found = check(theorem, sample.instance), certify(theorem, sample.instance)
        for side, ball in ((seen.lhs, found.lhs), (seen.rhs, found.rhs)):
            assert ball is not None
            middle = float(ball.strip("[]").split(" +/-")[0])
            assert abs(float(side) - middle) <= 1e-9 * abs(middle) + 2 * float(seen.rounding)


def planted() -> Any:
    """The linear lemma with a constant that is too small by 1e-12, below what float64 sees."""
    return replace(LINEAR, rhs=lambda at: LINEAR.rhs(at) * (1 - 1e-12))


def test_a_planted_wrong_constant_is_refuted_and_certified() -> None:
    wrong, refuted = planted(), 0
    for number in range(5):
        rng = np.random.default_rng(number)
        shapes = LINEAR.domain.shapes(ONE_FEATURE)
        params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        right = certify_built(LINEAR, ONE_FEATURE, params)
        assert right.outcome in ("tie", "holds"), right
        refuted += certify_built(wrong, ONE_FEATURE, params).words == "refuted, certified"
    assert refuted == 5


def softmax_block() -> BlockInput:
    rng = np.random.default_rng(0)
    one = rng.standard_normal((2, 4, 4)) / 2
    block = Block(
        Attention(one, one, one),
        FeedForward(one[0], one[1], activation="gelu"),
    )
    return BlockInput(block, rng.standard_normal((5, 4)))


def test_a_planted_wrong_block_theorem_is_refuted_on_a_softmax_for_certain() -> None:
    """That the rows of a softmax have one sum is no question of digits."""
    right = CATALOGUE["block-v-sharp"]
    assert certify(right, softmax_block()).words == "holds, certified"
    found = certify(replace(right, rhs=lambda at: right.rhs(at) / 100), softmax_block())
    assert found.words == "refuted, certified", found
    assert set(found.hypotheses.values()) == {"met"}


@pytest.mark.slow
def test_a_gelu_block_of_64_tokens_with_64_features_is_certified() -> None:
    rng, (n, d, heads) = np.random.default_rng(0), (64, 64, 2)

    def weights(*shape: int) -> Any:
        return rng.standard_normal(shape) / shape[-2] ** 0.5

    query, key, value = (weights(heads, d, d // heads) for _ in range(3))
    block = Block(
        Attention(query, key, value, weights(heads, d // heads, d)),
        FeedForward(weights(d, 4 * d), weights(4 * d, d), activation="gelu"),
    )
    given = BlockInput(block, rng.standard_normal((n, d)))
    found = certify(CATALOGUE["block-v-sharp"], given)
    assert (found.words, found.bits) == ("holds, certified", 64)
    assert set(found.hypotheses.values()) == {"met"}


def test_what_breaks_a_hypothesis_does_not_apply_for_certain() -> None:
    for key in ("linear", "attention", "dirichlet-energy-smoothing"):
        theorem = CATALOGUE[key]
        assert theorem.outside is not None
        found = certify(theorem, theorem.outside())
        assert found.words == "does not apply, certified"
        assert found.reason.startswith("broken: ")
        assert found.lhs is not None, "the sides are told all the same"


def test_what_is_not_finite_does_not_apply() -> None:
    bad = Averaging(np.asarray([[1.0], [np.nan]]), np.eye(2))
    found = certify(ATTENTION, bad)
    assert found.words == "does not apply, certified"
    assert found.lhs is None


def uneven() -> Averaging:
    """Rows that miss one by a rounding: a tenth is no float."""
    weights = np.asarray([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.6, 0.3, 0.1]])
    return Averaging(np.asarray([[1.0], [0.0], [3.0]]), weights)


def test_rows_that_miss_one_by_a_rounding_are_divided_and_that_is_said() -> None:
    assert check(ATTENTION, uneven()).applies
    assert certify(ATTENTION, uneven()).words == "does not apply, certified"
    found = certify_given(ATTENTION, uneven())
    assert found.words == "holds, certified", found
    assert found.about == NEAREST
    far = Averaging(uneven().tokens, 0.5 * np.eye(3))
    assert certify_given(ATTENTION, far).words == "does not apply, certified"
    exact = Averaging(uneven().tokens[:2], np.full((2, 2), 0.5))
    assert certify_given(ATTENTION, exact).about == AS_GIVEN


def test_fractions_are_taken_as_they_are() -> None:
    third = np.full((3, 3), Fraction(1, 3), dtype=object)
    found = certify(ATTENTION, Averaging(uneven().tokens, third))
    assert found.words == "holds, certified"
    assert found.hypotheses == {"every row of A sums to one": "met"}


def test_a_refutation_with_an_open_hypothesis_is_no_proof() -> None:
    """M of a random degree is a root: that its basis has norm one no ball says."""
    key = "layer-norm-general-subspace"
    found = [drawn(key, number) for number in range(12)]
    refuted = [each for each in found if each.outcome == "refuted"]
    assert refuted
    for each in refuted:
        assert each.certified == (set(each.hypotheses.values()) == {"met"})
        assert each.about == BUILT


@pytest.mark.parametrize(("share", "bits"), [(1.0, 64), (2.0**-90, 128), (2.0**-300, 512)])
def test_precision_rises_only_where_it_is_needed(share: float, bits: int) -> None:
    """One feature is stretched by the norm exactly: the share on the right is all there is."""
    close = replace(LINEAR, rhs=lambda at: LINEAR.rhs(at) + share * LINEAR.rhs(at))
    params = {name: np.ones(shape) / 3 for name, shape in LINEAR.domain.shapes(ONE_FEATURE).items()}
    params["tokens"] = np.asarray([[0.1], [0.7], [0.4]])
    found = certify_built(close, ONE_FEATURE, params)
    assert (found.words, found.bits) == ("holds, certified", bits)


def test_a_batch_and_what_check_refuses_are_refused_in_one_line() -> None:
    batch = draw(LINEAR.domain, np.random.default_rng(0), members=2).instance
    with pytest.raises(InputError, match="certify takes one instance"):
        certify(LINEAR, batch)
    other: Any = uneven()
    with pytest.raises(InputError, match="is about a LinearMap"):
        certify(LINEAR, other)
    with pytest.raises(InputError, match="must be a Theorem"):
        certify("linear", other)  # type: ignore[arg-type]


def test_a_theorem_whose_kernel_leaves_the_library_is_refused() -> None:
    broken = replace(LINEAR, rhs=lambda at: np.asarray(at.tokens).sum())
    sample = draw(LINEAR.domain, np.random.default_rng(0))
    with pytest.raises(InputError, match="cannot be certified"):
        certify(broken, sample.instance)


def test_without_flint_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(InputError, match=r"pip install 'oversmooth\[proof\]'") as caught:
        certify(ATTENTION, uneven())
    assert "\n" not in str(caught.value)
