"""Every theorem, attacked from all sides: instances, an instance outside, equality, rounding."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, target

from theory.blocks.activations import ACTIVATIONS
from theory.measures.subspace import consensus_distance
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.sizes import Length
from theory.statements.strategies import instances
from theory.statements.theorem import Theorem
from theory.symbolic.maps import gate_root
from theory.theorems.block.shi2022_lemmas import Averaging
from theory.theorems.catalogue import CATALOGUE

pytestmark = pytest.mark.once

TRUE = sorted(key for key, theorem in CATALOGUE.items() if theorem.expected == "holds")
REFUTED = sorted(set(CATALOGUE) - set(TRUE))
BIBLIOGRAPHY = Path(__file__).parents[3] / "theory" / "references.bib"


@pytest.mark.parametrize("key", TRUE)
@given(data=st.data())
def test_no_instance_refutes_it(key: str, data: st.DataObject) -> None:
    theorem = CATALOGUE[key]
    verdict = check(theorem, data.draw(instances(theorem)))
    assert verdict.applies.all(), f"the strategy broke its promise: {verdict.reasons}"
    target(float(verdict.ratio.max()), label="lhs over rhs")
    assert not verdict.refuted.any(), verdict


@pytest.mark.parametrize("key", TRUE)
@given(seed=st.integers(0, 2**32 - 1))
def test_one_token_alone_is_no_counterexample(key: str, seed: int) -> None:
    """Domains start at two: for one token most claims say no more than 0 <= 0."""
    theorem = CATALOGUE[key]
    one = {**theorem.domain.sizes, "tokens": Length(1, 1)}
    verdict = check(theorem, draw(replace(theorem.domain, sizes=one), _rng(seed)).instance)
    assert not verdict.refuted.any()


@pytest.mark.parametrize("key", REFUTED)
@given(data=st.data())
def test_a_claim_refuted_as_stated_is_judged_on_instances_that_it_is_about(
    key: str, data: st.DataObject
) -> None:
    verdict = check(CATALOGUE[key], data.draw(instances(CATALOGUE[key])))
    assert verdict.applies.all(), verdict.reasons


@pytest.mark.parametrize("key", TRUE)
def test_it_fails_where_a_hypothesis_is_broken(key: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.outside is not None
    verdict = check(theorem, theorem.outside())
    assert verdict.status == "does not apply"
    assert set(verdict.reasons) <= {hypothesis.name for hypothesis in theorem.hypotheses}
    assert verdict.excess > verdict.rounding, "the hypothesis was not needed here"


@pytest.mark.parametrize("key", sorted(key for key in TRUE if CATALOGUE[key].tight))
def test_the_bound_is_reached(key: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.witness is not None
    verdict = check(theorem, theorem.witness())
    assert verdict.status == "holds", verdict.reasons
    assert abs(verdict.excess) <= verdict.rounding
    size = max(float(verdict.lhs), 1e-3 if float(verdict.rhs) == 0 else 0.0)
    assert verdict.rounding < 1e-6 * size, "equality within so much rounding says little"


@pytest.mark.parametrize("key", REFUTED)
def test_a_claim_refuted_as_stated_has_a_counterexample_and_a_correction(key: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.witness is not None
    verdict = check(theorem, theorem.witness())
    assert verdict.status == "refuted", verdict.reasons
    correct = theorem.correction.split(":")[0].split(" ")[0]
    assert CATALOGUE[correct].expected == "holds"


def test_what_is_refuted_holds_once_corrected() -> None:
    wrong, right = CATALOGUE["activation-gelu-constant-one"], CATALOGUE["activation-gelu"]
    assert wrong.witness is not None
    tokens = wrong.witness().tokens
    constant = np.float64(1.1289041452)
    assert check(right, type(wrong.witness())(tokens, constant)).status == "holds"


@pytest.mark.parametrize("key", sorted(set(CATALOGUE) - {"tau-is-a-temperature"}))
def test_many_draws_are_decided_by_more_than_rounding(key: str) -> None:
    theorem = CATALOGUE[key]
    decided = total = 0
    for number in range(40):
        verdict = check(theorem, draw(theorem.domain, _rng(number), members=8).instance)
        decided += int((verdict.rounding < 1e-6 * verdict.scale).sum())
        total += verdict.rhs.size
    assert decided > total / 2


def _rng(number: int) -> np.random.Generator:
    return np.random.default_rng([number, 2022])


def test_the_equality_is_decided_by_little_rounding() -> None:
    theorem = CATALOGUE["tau-is-a-temperature"]
    small = total = 0
    for number in range(40):
        at = draw(theorem.domain, _rng(number), members=8).instance
        verdict = check(theorem, at)
        small += int((verdict.rounding < 1e-6).sum())
        total += verdict.rhs.size
    assert small > total / 2


@pytest.mark.parametrize("key", sorted(CATALOGUE))
def test_draws_without_a_batch_axis_are_instances_too(key: str) -> None:
    theorem = CATALOGUE[key]
    verdict = check(theorem, draw(theorem.domain, _rng(0)).instance)
    assert verdict.lhs.shape == ()
    assert verdict.applies


def test_every_key_is_that_of_its_theorem_and_every_source_is_known() -> None:
    sources = set(re.findall(r"^@\w+\{([^,]+),", BIBLIOGRAPHY.read_text(), flags=re.MULTILINE))
    for key, theorem in CATALOGUE.items():
        assert theorem.key == key == key.lower()
        assert theorem.source in sources | {"derived"}
        assert theorem.claim.isascii()
        assert theorem.claim.count("{") == theorem.claim.count("}")
        assert theorem.source != "derived" or theorem.note, "a proof or a reason is missing"


def test_every_activation_has_its_lemma_and_only_that_of_relu_is_published() -> None:
    for name in set(ACTIVATIONS) - {"identity"}:
        theorem = CATALOGUE[f"activation-{name.replace('_', '-')}"]
        assert theorem.source == ("shi2022" if name == "relu" else "derived")
    assert CATALOGUE["activation-gelu-constant-one"].source == "derived"


@pytest.mark.parametrize("name", ["silu", "gelu_tanh", "quick_gelu"])
def test_the_gates_are_witnessed_where_they_are_steepest(name: str) -> None:
    witness = CATALOGUE[f"activation-{name.replace('_', '-')}"].witness
    assert witness is not None
    middle = mp.mpf(float(witness().tokens.mean()))
    assert abs(middle - mp.mpf(str(gate_root(name)))) < 1e-15


def test_the_block_theorems_say_which_blocks_their_formula_leaves_out() -> None:
    for key in ("block-v", "block-v-sharp", "block-v-stacked"):
        assert "see the note" in CATALOGUE[key].claim
        for word in ("pre", "sandwich", "parallel", "residual", "gain", "tau"):
            assert word in CATALOGUE[key].note


def _exact_distance(rows: list[list[Any]]) -> Any:
    n, d = len(rows), len(rows[0])
    means = [sum(row[j] for row in rows) / n for j in range(d)]
    return mp.sqrt(sum((row[j] - means[j]) ** 2 for row in rows for j in range(d)))


@given(data=st.data())
def test_rounding_covers_what_exact_arithmetic_finds(data: st.DataObject) -> None:
    at: Averaging = data.draw(instances(CATALOGUE["attention"]))
    verdict = check(CATALOGUE["attention"], at)
    with mp.workdps(60):
        a, x = mp.matrix(at.adjacency.tolist()), mp.matrix(at.tokens.tolist())
        exact = _exact_distance((a * x).tolist())
        assert abs(exact - mp.mpf(float(verdict.lhs))) <= mp.mpf(float(verdict.rounding))


def test_attention_can_stretch_by_the_root_of_half_the_tokens() -> None:
    theorem: Theorem[Averaging] = CATALOGUE["attention"]
    assert theorem.witness is not None
    at = theorem.witness()
    ratio = consensus_distance(at.adjacency @ at.tokens) / consensus_distance(at.tokens)
    assert ratio == pytest.approx(np.sqrt(at.tokens.shape[0] / 2), rel=1e-14)
