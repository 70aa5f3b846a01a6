"""What verify and replay say for certain: counts that are counts, and no search is overruled."""

import sys
from dataclasses import replace

import pytest

from simulations.reports.verdicts import certified_rows, verify_tables
from simulations.search.catalogue import verify
from simulations.search.certified import DRAWS, Certification
from simulations.search.counterexamples import certified, comes_out, replay
from simulations.search.theorem import Report, verify_theorem
from theory.statements.sizes import Length
from theory.theorems.block.shi2022_lemmas import LINEAR
from theory.theorems.catalogue import CATALOGUE

pytest.importorskip("flint")

WRONG = "first-v-forever"
ONE = Length(1, 1)


def certification(key: str) -> Certification:
    report = verify_theorem(CATALOGUE[key], trials=32, certify=True)
    assert report.ok
    assert report.certified is not None
    return report.certified


def test_the_first_draws_are_certified_and_a_refuting_witness() -> None:
    true, wrong = certification("layer-norm"), certification(WRONG)
    for found in (true, wrong):
        assert sum(found.draws.values()) == DRAWS
    assert true.draws["holds, certified"] >= 6
    assert true.witness is None
    assert wrong.witness is not None
    assert wrong.witness.words == "refuted, certified"
    assert "witness refuted, certified" in str(wrong)


def test_what_works_in_float64_is_certified_as_float64_built_it_and_that_is_said() -> None:
    assert any("as float64 built it" in words for words in certification("ball-after-block").draws)


def test_fewer_trials_are_all_certified_and_nothing_is_unless_asked_for() -> None:
    report = verify_theorem(LINEAR, trials=3, certify=True)
    assert report.certified is not None
    assert sum(report.certified.draws.values()) == 3
    plain = verify_theorem(LINEAR, trials=3)
    assert plain.certified is None
    assert "certified" not in plain.as_json()


def test_a_refutation_below_what_float64_sees_is_unexpected() -> None:
    """Three parts in 1e16 are no more than rounding, in float64."""
    wrong = replace(
        LINEAR,
        rhs=lambda at: LINEAR.rhs(at) * (1 - 3e-16),
        domain=replace(LINEAR.domain, sizes={**LINEAR.domain.sizes, "features": ONE, "width": ONE}),
    )
    assert verify_theorem(wrong, trials=16).ok
    report = verify_theorem(wrong, trials=16, certify=True)
    assert report.status == "holds"
    assert not report.ok
    assert report.certified is not None
    assert report.certified.draws["refuted, certified"] > 0


@pytest.mark.slow
def test_in_several_processes_the_counts_are_the_same() -> None:
    keys = ["linear", "layer-norm"]
    alone, many = (verify(keys, trials=8, certify=True, workers=n) for n in (1, 2))
    for one, two in zip(alone, many, strict=True):
        assert isinstance(one, Report)
        assert isinstance(two, Report)
        assert one.certified == two.certified


def test_the_table_has_a_column_only_where_it_was_asked_for() -> None:
    for certify, columns in ((False, 7), (True, 8)):
        reports = verify(["linear"], trials=4, certify=certify)
        assert len(verify_tables(reports)[0].columns) == columns


def test_a_stored_refutation_is_certified_and_its_opposite_does_not_come_out() -> None:
    example = verify_theorem(CATALOGUE[WRONG], trials=64).counterexample
    assert example is not None
    certain, verdict = certified(example), replay(example)
    assert certain.outcome == "refuted"
    assert comes_out(example, verdict, certain=certain)
    assert not comes_out(example, verdict, certain=replace(certain, outcome="holds"))
    rows = dict(certified_rows(certain))
    assert rows["all rounding enclosed"].startswith("refuted, certified")
    assert certified_rows(None) == []


def test_without_flint_verify_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ValueError, match="needs python-flint"):
        verify_theorem(LINEAR, trials=1, certify=True)
