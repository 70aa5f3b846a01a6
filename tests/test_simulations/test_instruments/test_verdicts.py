"""Do a trace's verdicts stay honest, however large rounding is?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.instruments.captured import trace_captured
from simulations.instruments.check import check_block
from simulations.instruments.trace import Trace, trace_blocks, trace_centred
from simulations.reports.traces import reading, trace_json
from tests.helpers.blocks import move, random_block, random_tokens
from tests.test_simulations.helpers.three_layers import CAUSAL, DEPTH, STACK, TOKENS, D, N
from theory.arrays import namespace
from theory.bounds.implications import FINITELY_MANY, Implied


def test_the_inequality_holds_on_random_stacks() -> None:
    for trace in (trace_blocks(STACK, TOKENS), trace_centred(STACK, TOKENS, mask=CAUSAL)):
        assert trace.inequality is not None
        assert trace.inequality.tolist() == ["holds"] * DEPTH
        assert np.all(trace.blocks["rounding"] > 0)
        assert np.all(trace.blocks["rounding"] < 1e-6 * trace.blocks["v"])


def made_up(ratio: list[float], v: list[float], rounding: float = 0.0) -> Trace:
    numbers = {"measured_ratio": ratio, "v": v, "rounding": [rounding] * len(v)}
    numbers |= {"v_error": [0.0] * len(v), "v_upper": v}
    return Trace(
        {"distance": np.ones(len(v) + 1)},
        {name: np.asarray(values) for name, values in numbers.items()},
    )


def words(trace: Trace) -> list[str]:
    assert trace.inequality is not None
    return list(trace.inequality.tolist())


def test_a_ratio_above_v_by_more_than_rounding_refutes() -> None:
    trace = made_up([0.5, 0.9, 1.1, 0.5, 0.5, np.inf], [0.9, 0.9, 0.9, np.inf, np.nan, 2.0])
    wanted = ["holds", "holds", "refuted", "does not apply", "does not apply", "refuted"]
    assert words(trace) == wanted
    assert words(made_up([0.9 + 1e-9], [0.9], 1e-8)) == ["holds"]
    assert words(made_up([0.9 + 1e-9], [0.9])) == ["refuted"]


@pytest.mark.parametrize(
    ("ratio", "v", "rounding", "word", "undecided"),
    [
        (0.5, 0.9, 0.89, "holds", False),
        (0.5, 0.9, 0.9, "does not apply", True),
        (0.5, 0.9, 50.0, "does not apply", True),
        (0.5, 0.9, np.inf, "does not apply", True),
        (0.5, 0.9, np.nan, "does not apply", False),
        (51.0, 0.9, 50.0, "refuted", False),
        (0.0, 0.0, 0.0, "holds", False),
        (0.0, 0.0, 1e-9, "holds", False),
        (np.nan, 0.9, 50.0, "holds", False),
        (np.nan, np.nan, 0.0, "does not apply", False),
        (np.inf, 0.9, 0.0, "refuted", False),
    ],
)
def test_where_rounding_is_as_large_as_v_nothing_is_said(
    ratio: float, v: float, rounding: float, word: str, undecided: bool
) -> None:
    trace = made_up([ratio], [v], rounding)
    assert words(trace) == [word]
    assert trace.undecided is not None
    assert trace.undecided.tolist() == [undecided]


def test_nearer_than_plain_arithmetic_can_see_only_the_centred_trace_judges() -> None:
    near = TOKENS[:1] + 1e-15 * TOKENS
    plain, centred = trace_blocks(STACK, near), trace_centred(STACK, near)
    assert words(plain)[0] == "does not apply"
    assert words(centred) == ["holds"] * DEPTH
    assert plain.undecided is not None
    many = int(plain.undecided.sum())
    assert f"In {many} of {DEPTH} blocks rounding decides" in reading(plain)
    batch = trace_blocks(STACK, np.stack([near, near, TOKENS]))  # a block is counted once
    assert f"In {many} of {DEPTH} blocks rounding decides" in reading(batch)
    assert "use simulations.instruments.trace_centred" in reading(plain)
    assert "rounding decides" not in reading(centred)
    assert trace_json(plain)["undecided"].tolist() == plain.undecided.tolist()


@pytest.mark.parametrize("trace_of", [trace_blocks, trace_centred])
def test_single_precision_is_judged_in_double(trace_of: Any) -> None:
    block, tokens = random_block(0, d=64), 1 + 1e-3 * random_tokens(0, 32, 64)
    masked = np.tri(32, dtype=bool)
    there = move(block, namespace(tokens), dtype="float32")
    once = tokens.astype(np.float32)
    single = trace_of([there, there], once, mask=masked)
    double = trace_of([block], once.astype(np.float64), mask=masked)
    assert words(single)[0] == "holds"
    assert single.tokens["distance"].dtype == np.float32
    for name in ("v", "v_upper", "rounding", "measured_ratio"):
        assert single.blocks[name].dtype == np.float64
        # Only the weights were rounded: in single precision the ratio would be wrong by far more.
        np.testing.assert_allclose(single.blocks[name][0], double.blocks[name][0], rtol=1e-4)
    assert single.blocks["rounding"][0] < 1e-6 * single.blocks["v"][0]


@pytest.mark.parametrize("trace_of", [trace_blocks, trace_centred])
def test_the_ends_enclose_the_coefficients_closely(trace_of: Any) -> None:
    found = trace_of(STACK, TOKENS, mask=CAUSAL).blocks
    for name in ("lambda", "s", "v"):
        lower, value, upper = (found[name + end] for end in ("_lower", "", "_upper"))
        assert (lower < value).all()
        assert (value < upper).all()
        assert (upper - lower <= 1e-7 * value).all()
    np.testing.assert_array_equal(found["v_error"], found["v_upper"] - found["v"])
    assert trace_json(trace_of(STACK, TOKENS, mask=CAUSAL))["tier"] == "exact"


def test_wide_layers_say_that_s_comes_from_brackets() -> None:
    rng = np.random.default_rng(0)
    block = random_block(0, d=256)
    ffn = block.feed_forward
    assert ffn is not None
    wide = replace(ffn, weight_in=rng.standard_normal((256, 256)), bias_in=None)
    wide = replace(wide, weight_out=rng.standard_normal((256, 256)))
    trace = trace_blocks([replace(block, feed_forward=wide)], random_tokens(0, 3, 256))
    assert trace_json(trace)["tier"] == "bracket"
    assert words(trace) == ["holds"]
    found, s = trace.blocks, np.linalg.norm([wide.weight_in, wide.weight_out], 2, axis=(1, 2)).max()
    assert found["s_lower"][0] < s < found["s_upper"][0]
    assert 0 < found["s_excess"][0] < 1.1e-6


def test_only_a_ratio_above_the_upper_end_of_v_refutes() -> None:
    trace = made_up([1.0, 1.0, 1.0], [0.9, 0.9, 0.9])
    trace = Trace(trace.tokens, {**trace.blocks, "v_upper": np.asarray([0.95, 1.05, np.inf])})
    assert words(trace) == ["refuted", "does not apply", "does not apply"]
    assert trace.undecided is not None
    assert trace.undecided.tolist() == [False, True, True]


def test_two_traces_compare_by_identity() -> None:
    one, two = (trace_captured([TOKENS]) for _ in range(2))
    assert one == one  # arrays inside would raise
    assert one != two
    assert len({one, two}) == 2


def test_no_v_of_finitely_many_blocks_implies_convergence() -> None:
    vacuous, strict = made_up([0.5, 0.5], [0.9, 1.5]), made_up([0.5, 0.5], [0.9, 0.8])
    for trace, factor in ((vacuous, 1.35), (strict, 0.72)):
        assert trace.inequality is not None
        assert trace.inequality.tolist() == ["holds", "holds"]
        assert trace.converges is not None
        assert trace.converges.distance == "not implied"
        assert trace.log10_bound == pytest.approx(np.log10(factor), rel=1e-9)


def test_the_json_of_a_trace_has_its_factor_and_says_what_it_is_about() -> None:
    trace = trace_blocks(STACK, TOKENS)
    found = trace_json(trace)
    assert found["log10_bound"] == np.log10(trace.blocks["v_upper"]).sum()
    assert (found["converges"]["status"], found["rank"]) == ("not implied", 1)
    assert "converges" not in trace_json(trace_captured([TOKENS, TOKENS]))


def test_only_a_repeated_block_may_imply_it_and_every_seed_must() -> None:
    def said(*distances: Implied) -> tuple[str, str]:
        each = tuple(replace(FINITELY_MANY, distance=word) for word in distances)
        found = replace(made_up([0.5], [0.9]), repeats=each).converges
        assert found is not None
        return found.distance, found.reason

    assert said("yes")[0] == "yes"
    assert said("yes", "yes")[0] == "yes"
    word, reason = said("yes", "not implied", "yes")
    assert word == "not implied"
    assert "yes in 2 of 3" in reason


def test_a_wrong_v_would_be_refuted() -> None:
    none = random_block(0, kind="none", feed_forward=False)
    weights = none.attention.value
    still = replace(none, attention=replace(none.attention, value=0 * weights, bias=None))
    trace = trace_blocks([still], TOKENS)  # the residual alone: the ratio is 1, and so is v
    assert trace.inequality is not None
    assert trace.inequality.tolist() == ["holds"]
    np.testing.assert_allclose(trace.blocks["measured_ratio"], 1, rtol=1e-14)
    lowered = {name: 0.999999 * trace.blocks[name] for name in ("v", "v_upper")}
    lowered = {**trace.blocks, **lowered}
    refuted = Trace(trace.tokens, lowered).inequality
    assert refuted is not None
    assert refuted.tolist() == ["refuted"]


@pytest.mark.parametrize("token", [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.1, 0.2, 0.3, 0.1, 0.7, 0.9]])
@pytest.mark.parametrize("n", [3, 5, 7])
def test_at_consensus_there_is_no_ratio_and_equal_tokens_stay_equal(
    token: list[float], n: int
) -> None:
    equal = np.repeat(np.asarray([token]), n, axis=0)
    centred = trace_centred(STACK, equal)
    assert np.all(np.isnan(centred.blocks["measured_ratio"]))
    assert words(centred) == ["holds"] * DEPTH
    assert np.all(centred.tokens["distance"] == 0)
    assert np.all(centred.tokens["log10_distance"] == -np.inf)
    assert np.all(centred.tokens["relative_distance"] == 0)
    np.testing.assert_allclose(centred.tokens["cosine_similarity"], 1, rtol=1e-15)
    np.testing.assert_allclose(centred.tokens["effective_rank"], 1, rtol=1e-6)
    plain = trace_blocks(STACK, equal)
    assert np.isnan(plain.blocks["measured_ratio"][0])
    assert words(plain)[0] == check_block(STACK[0], equal).verdict == "holds"
    assert "equal from the first block on" in reading(centred)


def test_equal_tokens_that_come_apart_would_be_refuted() -> None:
    equal, apart = np.ones((N, D)), np.ones((N, D))
    apart[0, 0] += 1e-15
    gone = trace_captured([equal, apart]).blocks["measured_ratio"]
    assert np.isinf(gone[0])
    assert words(made_up([float(gone[0])], [0.9])) == ["refuted"]


def test_below_round_off_the_two_traces_tell_what_they_can() -> None:
    near = TOKENS[:1] + 1e-9 * TOKENS
    centred, plain = trace_centred(STACK, near), trace_blocks(STACK, near)
    np.testing.assert_allclose(
        centred.tokens["log10_distance"], plain.tokens["log10_distance"], atol=1e-6
    )
    for trace in (centred, plain):
        assert trace.inequality is not None
        assert trace.inequality.tolist() == ["holds"] * DEPTH
