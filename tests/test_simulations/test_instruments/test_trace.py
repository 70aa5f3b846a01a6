"""Traces: two arithmetics and any source agree, padding never counts, verdicts stay honest."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulations.instruments.captured import trace_captured
from simulations.instruments.check import check_block
from simulations.instruments.trace import Trace, trace_blocks, trace_centred
from simulations.reports.traces import reading, trace_json
from tests.helpers.blocks import Floats, blocks, masks, move, random_block, random_tokens
from theory.arrays import InputError, namespace
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.bounds.coefficients import block_coefficients
from theory.measures.tokens import measure_tokens
from theory.statements.instances import member

N, D, DEPTH = 5, 6, 3
CAUSAL = np.tri(N, dtype=bool)
STACK = [random_block(seed) for seed in range(DEPTH)]
TOKENS = random_tokens(0, N, D)
ENDS = {f"{name}_{end}" for name in ("lambda", "s", "v") for end in ("lower", "upper")}
BOUNDS = {"rounding", "v_error"} | ENDS  # one arithmetic may have tighter ones than another
Measures = Mapping[str, Any]


def assert_close(found: Measures, wanted: Measures, *, names: Any = None) -> None:
    shared = sorted(found.keys() & wanted.keys()) if names is None else names
    assert len(shared) >= 1
    for name in shared:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, atol=1e-11, err_msg=name)


# --- what is measured ------------------------------------------------------------------------


def test_every_depth_and_every_block_is_measured() -> None:
    trace = trace_blocks(STACK, TOKENS, mask=CAUSAL)
    assert trace.depth == DEPTH
    tokens, earlier = TOKENS, None
    for layer, block in enumerate(STACK):
        step = apply_block(block, tokens, mask=CAUSAL)
        for name, value in measure_tokens(tokens)._asdict().items():
            np.testing.assert_allclose(trace.tokens[name][layer], value, rtol=1e-12)
        for name, number in block_coefficients(block, step).items():
            assert number is not None
            np.testing.assert_allclose(trace.blocks[name][layer], number, rtol=1e-12)
        distances = [float(np.linalg.norm(x - x.mean(axis=0))) for x in (tokens, step.output)]
        ratio = trace.blocks["measured_ratio"][layer]
        np.testing.assert_allclose(ratio, distances[1] / distances[0], rtol=1e-12)
        shares = step.adjacency[step.adjacency > 0]
        entropy = -np.sum(shares * np.log(shares)) / (2 * N)  # two heads
        np.testing.assert_allclose(trace.blocks["attention_entropy"][layer], entropy, rtol=1e-12)
        similarity = trace.blocks["attention_similarity"][layer]
        if earlier is None:
            assert np.isnan(similarity)
        else:
            flat = step.adjacency.ravel(), earlier.ravel()
            cosine = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
            np.testing.assert_allclose(similarity, cosine, rtol=1e-12)
        tokens, earlier = step.output, step.adjacency
    for name, value in measure_tokens(tokens)._asdict().items():
        assert trace.tokens[name].shape == (DEPTH + 1,)
        np.testing.assert_allclose(trace.tokens[name][DEPTH], value, rtol=1e-12)
    for name in ("distance", "relative_distance"):
        np.testing.assert_allclose(
            trace.tokens[f"log10_{name}"], np.log10(trace.tokens[name]), rtol=1e-12
        )


def test_results_are_numpy_arrays_whatever_came(xp: ModuleType, device: Any) -> None:
    there = xp.asarray(random_tokens(1, 2, N, D), dtype=xp.float64, device=device)
    stack = [move(block, xp, device=device) for block in STACK]
    mask = xp.asarray(CAUSAL, device=device)
    wanted = trace_blocks(STACK, random_tokens(1, 2, N, D), mask=CAUSAL)
    for trace in (trace_blocks(stack, there, mask=mask), trace_centred(stack, there, mask=mask)):
        for values in (*trace.tokens.values(), *trace.blocks.values()):
            assert isinstance(values, np.ndarray)
            assert values.shape in ((DEPTH, 2), (DEPTH + 1, 2))
        assert_close(trace.tokens, wanted.tokens)
        assert_close(trace.blocks, wanted.blocks, names=["lambda", "v", "v_stacked", "sigma_1"])


def test_no_block_leaves_the_tokens_alone() -> None:
    for trace in (trace_blocks([], TOKENS), trace_centred([], TOKENS), trace_captured([TOKENS])):
        assert trace.depth == 0
        assert trace.blocks == {}
        assert trace.inequality is None
        assert trace.converges is None
        assert trace.tokens["distance"].shape == (1,)


def test_layers_need_not_be_alike_and_what_one_lacks_is_nan_there() -> None:
    other = random_block(7, heads=3, feed_forward=False, placement="pre")
    for trace in (
        trace_blocks([STACK[0], other], TOKENS),
        trace_centred([STACK[0], other], TOKENS),
    ):
        assert np.isnan(trace.blocks["sigma_2"]).tolist() == [False, True]
        assert np.all(np.isfinite(trace.blocks["v"]))
        assert trace.inequality is not None
        assert trace.inequality.tolist() == ["holds", "holds"]
    similarity = trace_blocks([STACK[0], other, other], TOKENS).blocks["attention_similarity"]
    assert np.isnan(similarity).tolist() == [True, True, False]  # two heads cannot be like three


def test_a_tied_block_may_be_one_object_or_two() -> None:
    again = replace(STACK[0])
    one, two = (trace_blocks(stack, TOKENS) for stack in ([STACK[0]] * 2, [STACK[0], again]))
    for name, values in one.blocks.items():
        np.testing.assert_array_equal(values, two.blocks[name])
    other = trace_blocks([STACK[0], STACK[1]], TOKENS)
    assert other.blocks["s"][1] != one.blocks["s"][1]


# --- two arithmetics, and numbers from elsewhere ---------------------------------------------


@given(
    stack=st.lists(blocks(), min_size=1, max_size=3),
    mask=st.none() | masks(N),
    seed=st.integers(0, 999),
)
def test_centred_coordinates_measure_what_plain_ones_do(
    stack: list[Block], mask: Any, seed: int
) -> None:
    tokens = random_tokens(seed, N, D)
    plain = trace_blocks(stack, tokens, mask=mask)
    far = plain.tokens["relative_distance"].min() > 1e-3 and plain.tokens["norm"].max() < 1e8
    centred = trace_centred(stack, tokens, mask=mask)
    assert centred.tokens.keys() == plain.tokens.keys()
    assert plain.blocks.keys() - centred.blocks.keys() <= {
        "attention_entropy",
        "attention_similarity",
    }
    assume(far)  # else plain arithmetic has lost digits: that is what the other is for
    for found, wanted in ((centred.tokens, plain.tokens), (centred.blocks, plain.blocks)):
        for name in found.keys() - BOUNDS:
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=1e-7, atol=1e-8, err_msg=name
            )


@pytest.mark.parametrize("causal", [False, True])
def test_captured_tokens_give_the_numbers_of_the_stack_that_made_them(causal: bool) -> None:
    mask = CAUSAL if causal else None
    tokens = random_tokens(3, 2, N, D)
    wanted = trace_blocks(STACK, tokens, mask=mask)
    hidden, attentions = [tokens], []
    for block in STACK:
        step = apply_block(block, hidden[-1], mask=mask)
        hidden.append(step.output)
        attentions.append(step.adjacency)
    found = trace_captured(hidden, attentions)
    assert found.tokens.keys() == wanted.tokens.keys()
    assert_close(found.tokens, wanted.tokens)
    names = {"lambda", "measured_ratio", "attention_entropy", "attention_similarity"}
    assert found.blocks.keys() == names
    assert_close(found.blocks, wanted.blocks)
    assert found.inequality is None
    assert found.converges is None
    assert_close(trace_captured(np.stack(hidden), np.stack(attentions)).blocks, wanted.blocks)
    bare = trace_captured(hidden)
    assert bare.blocks.keys() == {"measured_ratio"}
    assert_close(bare.blocks, wanted.blocks)


def test_captured_tokens_may_come_from_any_library(xp: ModuleType, device: Any) -> None:
    hidden = [random_tokens(i, 2, N, D) for i in range(3)]
    wanted = trace_captured(hidden)
    for dtype, close in (("float64", 1e-12), ("float32", 1e-5)):
        there = [xp.asarray(x, dtype=getattr(xp, dtype), device=device) for x in hidden]
        found = trace_captured(there)
        for name, values in wanted.tokens.items():
            np.testing.assert_allclose(found.tokens[name], values, rtol=close, err_msg=name)


def test_captured_padding_does_not_count() -> None:
    present = np.asarray([True, True, True, False, False])
    hidden = [random_tokens(i, N, D) for i in range(3)]
    shares = [np.random.default_rng(i).dirichlet(np.ones(3), (2, N)) for i in range(2)]
    attentions = [np.concatenate([a, np.zeros((2, N, 2))], axis=-1) for a in shares]
    padded = trace_captured(hidden, attentions, present=present)
    alone = trace_captured([x[:3] for x in hidden], [a[:, :3] for a in shares])
    assert_close(padded.tokens, alone.tokens)
    assert_close(padded.blocks, alone.blocks)
    hidden[0][3:] = np.nan
    attentions[0][:, 3:] = np.nan
    spoilt = trace_captured(hidden, attentions, present=present)
    assert_close(spoilt.tokens, alone.tokens)
    assert_close(spoilt.blocks, alone.blocks)


def test_captured_special_tokens_are_left_out_as_in_a_stack_of_blocks() -> None:
    present = np.asarray([True, True, True, True, False])
    inner = np.asarray([False, True, True, False, True])  # the last one is padding all the same
    wanted = trace_blocks(STACK, TOKENS, present=present, token_mask=inner)
    hidden, attentions = [TOKENS], []
    for block in STACK:
        step = apply_block(block, hidden[-1], mask=present[None, :])
        hidden.append(step.output)
        attentions.append(step.adjacency)
    found = trace_captured(hidden, attentions, present=present, token_mask=inner)
    assert_close(found.tokens, wanted.tokens)
    assert_close(found.blocks, wanted.blocks)
    np.testing.assert_allclose(
        found.tokens["distance"][0], np.linalg.norm(TOKENS[1] - TOKENS[2]) / 2**0.5, rtol=1e-12
    )


def to_bfloat16(array: Floats) -> Floats:
    """Keep the eight leading bits of the significand, rounded to nearest."""
    significand, exponent = np.frexp(array)
    rounded: Floats = np.ldexp(np.round(significand * 2**8), exponent - 8)
    return rounded


@pytest.mark.parametrize("half", [to_bfloat16, lambda array: array.astype(np.float16)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attention_that_was_once_in_half_precision_is_captured(half: Any, dtype: Any) -> None:
    for n in (2, 64, 200):
        weights = np.random.default_rng(n).dirichlet(np.full(n, 0.1), (1, n))
        once = half(weights)
        assert np.abs(once.astype(float).sum(axis=-1) - 1).max() > 1e-5, "nothing was lost"
        hidden = [random_tokens(i, n, 2).astype(dtype) for i in range(2)]
        found = trace_captured(hidden, [once.astype(dtype)])
        exact = trace_captured(hidden, [weights.astype(dtype)])
        assert_close_to = 0.02 * exact.blocks["lambda"]
        assert np.abs(found.blocks["lambda"] - exact.blocks["lambda"]) <= assert_close_to


SHARES = np.full((2, N, N), 1 / N)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (np.ones((2, N, N)), r"^attentions\[1\] must have rows that sum to one.* sums to 5"),
        (SHARES * 1.01, r"^attentions\[1\] must have rows that sum to one"),
        (SHARES * 0.99, r"^attentions\[1\] must have rows that sum to one"),
        (SHARES * np.tri(N), r"^attentions\[1\] .*row \(0, 0\) sums to 0.2"),
        (SHARES * 0, r"^attentions\[1\] .*sums to 0.0"),
        (2 * np.eye(N) - SHARES, r"^attentions\[1\] must not be negative"),
        (np.where(np.eye(N), np.inf, SHARES), r"^attentions\[1\] must be finite"),
    ],
)
def test_captured_weights_that_are_no_shares_name_their_layer(
    attention: Floats, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trace_captured([TOKENS] * 3, [SHARES, attention])


def test_captured_weight_on_padding_is_missing_elsewhere() -> None:
    present = np.asarray([True, True, True, True, False])
    with pytest.raises(InputError, match=r"^attentions\[0\] .* sums to 0.8"):
        trace_captured([TOKENS] * 2, [SHARES], present=present)
    for name in ("present", "token_mask"):
        with pytest.raises(InputError, match=f"^{name} must be boolean"):
            trace_captured([TOKENS] * 2, [SHARES], **{name: present.astype(float)})
        with pytest.raises(InputError, match=f"^{name} must have shape"):
            trace_captured([TOKENS] * 2, [SHARES], **{name: present[1:]})


@pytest.mark.parametrize(
    ("hidden", "attentions", "message"),
    [
        ([], [], "hidden_states must hold at least one array"),
        ([TOKENS], [np.ones((2, N, N))], "attentions must be one fewer than hidden_states"),
        ([TOKENS] * 3, [np.ones((2, N, N))], r"one fewer than hidden_states \(3.* but are 1"),
        ([TOKENS, TOKENS.astype(int)], [], r"hidden_states\[1\] must have dtype"),
        ([TOKENS.astype(np.float16)], [], r"hidden_states\[0\] must have dtype.*float16"),
        ([TOKENS, TOKENS[:, 0]], [], r"hidden_states\[1\] must have the batch and tokens"),
        ([TOKENS, TOKENS * np.nan], [], "finite"),
        ([TOKENS[:1]], [], "at least 2 tokens"),
        ([TOKENS, TOKENS[:4]], [], r"hidden_states\[1\] must have .*\(4, 6\)"),
        ([TOKENS, TOKENS], [np.full((2, 4, 4), 0.25)], r"attentions\[0\] must have shape"),
        ([TOKENS, TOKENS], [np.full((N, N), 0.2)], r"attentions\[0\] must have shape"),
        ([TOKENS, TOKENS], [np.full((2, N, N), np.nan)], "finite"),
        ([TOKENS, TOKENS], [np.ones((2, N, N), dtype=int)], r"attentions\[0\] must have dtype"),
        ([[1.0, 2.0]], [], "arrays"),
    ],
)
def test_captured_arrays_that_do_not_fit_are_named(
    hidden: Any, attentions: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trace_captured(hidden, attentions)


# --- padding and special tokens --------------------------------------------------------------


@given(stack=st.lists(blocks(), min_size=1, max_size=2), seed=st.integers(0, 999))
def test_a_padded_batch_gives_the_numbers_of_its_sentences(stack: list[Block], seed: int) -> None:
    present = np.asarray([[True] * N, [True] * 3 + [False] * 2, [False, True, True, False, True]])
    tokens = random_tokens(seed, 3, N, D)
    padded = trace_blocks(stack, tokens, present=present)
    for i in range(3):
        alone = trace_blocks(stack, tokens[i][present[i]])
        for both, one in ((padded.tokens, alone.tokens), (padded.blocks, alone.blocks)):
            assert both.keys() == one.keys()
            for name in one.keys() - BOUNDS:  # a bound on errors, which may be looser
                np.testing.assert_allclose(
                    both[name][..., i], one[name], rtol=1e-7, atol=1e-9, err_msg=name
                )
        assert np.all(padded.blocks["rounding"][..., i] >= 0)


def test_what_stands_in_the_padding_changes_nothing() -> None:
    present = np.asarray([True, True, True, False, False])
    tokens = TOKENS.copy()
    wanted = trace_blocks(STACK, tokens, present=present, mask=CAUSAL)
    tokens[3:] = 100 * random_tokens(9, 2, D)
    found = trace_blocks(STACK, tokens, present=present, mask=CAUSAL)
    assert_close(found.tokens, wanted.tokens)
    assert_close({k: v for k, v in found.blocks.items() if k not in BOUNDS}, wanted.blocks)


def test_all_present_is_the_same_as_nothing_said() -> None:
    one = trace_blocks(STACK, TOKENS, mask=CAUSAL)
    two = trace_blocks(STACK, TOKENS, mask=CAUSAL, present=np.ones(N, dtype=bool))
    assert_close(one.tokens, two.tokens)
    assert_close(one.blocks, two.blocks)


def test_special_tokens_left_out_change_the_measures_of_tokens_only() -> None:
    present = np.asarray([True, True, True, True, False])
    inner = np.asarray([False, True, True, False, False])
    all_, some = (
        trace_blocks(STACK, TOKENS, present=present, token_mask=mask) for mask in (None, inner)
    )
    assert some.blocks.keys() == all_.blocks.keys()
    for name, values in all_.blocks.items():
        np.testing.assert_array_equal(some.blocks[name], values)
    tokens = TOKENS
    for layer, block in enumerate([*STACK, None]):
        wanted = measure_tokens(tokens[1:3])._asdict()
        for name, value in wanted.items():
            np.testing.assert_allclose(some.tokens[name][layer], value, rtol=1e-11, atol=1e-13)
            assert abs(all_.tokens[name][layer] - value) > 1e-9, name
        if block is not None:
            tokens = apply_block(block, tokens, mask=present[None, :]).output


def test_a_batch_is_its_members_one_by_one() -> None:
    stack = [random_block(i, batch=(3,)) for i in range(2)]
    tokens = random_tokens(0, 3, N, D)
    for trace in (trace_blocks, trace_centred):
        together = trace(stack, tokens)
        for i in range(3):
            alone = trace([member(block, (i,)) for block in stack], tokens[i])
            for both, one in ((together.tokens, alone.tokens), (together.blocks, alone.blocks)):
                for name, values in one.items():
                    np.testing.assert_allclose(both[name][..., i], values, rtol=1e-8, err_msg=name)


# --- verdicts --------------------------------------------------------------------------------


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
    assert "use simulations.trace_centred" in reading(plain)
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


def test_that_it_holds_and_that_it_implies_convergence_are_two_things() -> None:
    vacuous, strict = made_up([0.5, 0.5], [0.9, 1.5]), made_up([0.5, 0.5], [0.9, 0.8])
    for trace, status in ((vacuous, "not implied"), (strict, "yes")):
        assert trace.inequality is not None
        assert trace.inequality.tolist() == ["holds", "holds"]
        assert trace.converges is not None
        assert trace.converges.status == status


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


# --- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize("trace", [trace_blocks, trace_centred])
def test_a_failure_names_the_layer(trace: Any) -> None:
    good = STACK[0]
    silent = replace(good.attention, value=0 * good.attention.value, bias=None)
    dead = replace(good, attention=silent, residual=0.0)
    with pytest.raises(InputError, match=r"^at layer 1: .*zero variance"):
        trace([good, dead], TOKENS)


def test_a_mask_or_presence_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(InputError, match="present must be boolean"):
        trace_blocks(STACK, TOKENS, present=np.ones(N))
    with pytest.raises(InputError, match="present must have shape"):
        trace_blocks(STACK, TOKENS, present=np.ones(N - 1, dtype=bool))
    with pytest.raises(InputError, match="token_mask must be boolean"):
        trace_blocks(STACK, TOKENS, token_mask=np.ones(N))
    with pytest.raises(InputError, match="mask must have shape"):
        trace_blocks(STACK, TOKENS, mask=np.ones((N, 2), dtype=bool))
    with pytest.raises(InputError, match="tokens of each sentence must count"):
        trace_blocks(STACK, TOKENS, present=np.eye(N, dtype=bool)[0])


def test_a_trace_asks_for_one_block_at_a_time() -> None:
    seen: list[int] = []

    def layers() -> Iterator[Block]:
        for i, block in enumerate(STACK):
            seen.append(i)
            yield block

    trace_blocks(layers(), TOKENS)
    assert seen == [0, 1, 2]


def peak_memory(depth: int) -> Floats:
    import tracemalloc

    tokens = random_tokens(0, 8, 32, D)
    tracemalloc.start()
    trace_blocks((STACK[0] for _ in range(depth)), tokens)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return np.asarray(peak)


def test_memory_does_not_grow_with_depth() -> None:
    peak_memory(2)  # what is imported or cached once
    assert peak_memory(30) < 1.5 * peak_memory(5)


# --- attention that is not there, and masks of tokenizers ------------------------------------


@pytest.mark.parametrize("missing", [(), [], (None, None), [SHARES, None]])
def test_attention_that_is_not_there_is_refused_with_the_way_to_it(missing: Any) -> None:
    with pytest.raises(InputError, match=r"^attentions .*(are empty|\[[01]\] is None).*eager"):
        trace_captured([TOKENS] * 3, missing)
    assert "v" not in trace_captured([TOKENS] * 3, None).blocks


def test_rows_that_dropout_spoiled_get_a_hint_that_helps() -> None:
    kept = np.random.default_rng(0).random((2, N, N)) > 0.1
    with pytest.raises(InputError, match=r"model\.eval\(\).*attn_implementation=\"eager\"") as told:
        trace_captured([TOKENS] * 2, [SHARES * kept / 0.9])
    assert "dividing" not in str(told.value)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_a_mask_of_zeros_and_ones_is_a_mask(dtype: Any) -> None:
    present = np.asarray([True, True, True, True, False])
    wanted = trace_captured([TOKENS] * 2, present=present, token_mask=present)
    found = trace_captured(
        [TOKENS] * 2, present=present.astype(dtype), token_mask=present.astype(dtype)
    )
    for name, column in wanted.tokens.items():
        np.testing.assert_array_equal(found.tokens[name], column)
    with pytest.raises(InputError, match=r"^present must be boolean, but has dtype .*present == 1"):
        trace_captured([TOKENS] * 2, present=2 * present.astype(dtype))
    causal = check_block(STACK[0], TOKENS, mask=CAUSAL.astype(dtype)).as_dict()
    assert causal == check_block(STACK[0], TOKENS, mask=CAUSAL).as_dict()
