"""Random stacks: what changes a draw and what does not; each ensemble is what it is called."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.normals import Normals
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Initial, Stack, WeightEnsemble
from simulations.stacks.weights import orthogonal
from tests.helpers.blocks import Floats
from theory.arrays import InputError
from theory.blocks.weights import Block
from theory.statements.instances import leaves

SMALL = Stack(depth=3, tokens=5, width=12, heads=3, ffn_width=20)
WEIGHTS = get_args(WeightEnsemble)


def arrays_of(block: Block) -> list[Floats]:
    return list(leaves(block))


def assert_equal(one: Block, two: Block) -> None:
    pairs = list(zip(arrays_of(one), arrays_of(two), strict=True))
    assert len(pairs) >= 4
    for left, right in pairs:
        np.testing.assert_array_equal(left, right)


# --- what a draw depends on ------------------------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_same_stack_and_seeds_give_the_same_blocks_and_tokens(weights: Any) -> None:
    stack = replace(SMALL, weights=weights, bias_std=1.0)
    for one, two in zip(
        draw_blocks(stack, seeds=range(2)), draw_blocks(stack, seeds=range(2)), strict=True
    ):
        assert_equal(one, two)
    one, two = (draw_tokens(stack, seeds=range(2)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_more_seeds_and_more_layers_change_no_earlier_number(weights: Any) -> None:
    stack = replace(SMALL, weights=weights, bias_std=1.0)
    few = list(draw_blocks(stack, seeds=range(4, 6)))
    many = list(draw_blocks(replace(stack, depth=5), seeds=range(3, 8)))
    for one, two in zip(few, many[:3], strict=True):
        for left, right in zip(arrays_of(one), arrays_of(two), strict=True):
            np.testing.assert_array_equal(left, right[1:3])
    np.testing.assert_array_equal(
        draw_tokens(stack, seeds=range(4, 6)), draw_tokens(stack, seeds=range(3, 8))[1:3]
    )


@pytest.mark.parametrize("weights", WEIGHTS)
def test_gains_multiply_and_draw_nothing_anew(weights: Any) -> None:
    stack = replace(SMALL, weights=weights)
    gains: dict[str, Any] = {
        "score_gain": 3.0,
        "value_gain": 2.0,
        "ffn_gain": 0.5,
        "bias_std": 0.25,
        "norm_gain": 1.5,
    }
    plain, driven = (next(draw_blocks(s, seeds=range(2))) for s in (stack, replace(stack, **gains)))
    np.testing.assert_array_equal(driven.attention.value, 2 * plain.attention.value)
    np.testing.assert_array_equal(driven.attention.output, plain.attention.output)
    np.testing.assert_array_equal(driven.attention.query, plain.attention.query)
    np.testing.assert_array_equal(driven.attention.key, plain.attention.key)
    assert driven.attention.score_scale == 3 * plain.attention.score_scale
    assert plain.attention.score_scale == pytest.approx(4**-0.5)
    assert plain.feed_forward is not None
    assert driven.feed_forward is not None
    np.testing.assert_array_equal(driven.feed_forward.weight_in, plain.feed_forward.weight_in)
    np.testing.assert_array_equal(
        driven.feed_forward.weight_out, 0.5 * plain.feed_forward.weight_out
    )
    assert plain.attention.bias is None
    assert plain.feed_forward.bias_in is None
    assert plain.norm_1.gain is None
    np.testing.assert_array_equal(driven.norm_1.gain, np.full(12, 1.5))
    doubled = next(draw_blocks(replace(stack, bias_std=0.5), seeds=range(2)))
    assert driven.attention.bias is not None
    np.testing.assert_array_equal(doubled.attention.bias, 2 * driven.attention.bias)


@given(
    field=st.sampled_from(
        [
            ("activation", "relu"),
            ("norm", "rms"),
            ("placement", "pre"),
            ("residual", 0.5),
            ("ln_eps", 0.1),
            ("tau", 2.0),
            ("fixed_std", 2.0),
            ("initial", "clustered"),
            ("tokens", 9),
            ("rank", 2),
            ("depth", 7),
        ]
    )
)
def test_what_defines_no_weight_changes_none(field: tuple[str, Any]) -> None:
    other = replace(SMALL, **{field[0]: field[1]})
    assert_equal(next(draw_blocks(SMALL, seeds=range(1))), next(draw_blocks(other, seeds=range(1))))


def test_seeds_layers_and_shapes_give_different_weights() -> None:
    block = next(draw_blocks(SMALL, seeds=range(2)))
    assert not np.any(block.attention.value[0] == block.attention.value[1])
    first, second, _ = draw_blocks(SMALL, seeds=range(1))
    assert not np.any(first.attention.value == second.attention.value)
    heads = next(draw_blocks(replace(SMALL, heads=4), seeds=range(1)))
    assert not np.any(np.isin(heads.attention.value, first.attention.value))
    assert first.feed_forward is not None
    drawn = arrays_of(first)
    for i, left in enumerate(drawn):  # no two matrices of a block are the same numbers
        assert all(not np.any(np.isin(left, right)) for right in drawn[i + 1 :])


def test_tied_layers_are_one_object_and_others_are_not() -> None:
    tied = list(draw_blocks(replace(SMALL, tied=True), seeds=range(2)))
    assert len(tied) == 3
    assert all(block is tied[0] for block in tied)
    free = list(draw_blocks(SMALL, seeds=range(2)))
    assert_equal(tied[0], free[0])
    assert free[0] is not free[1]


def test_blocks_are_drawn_one_by_one() -> None:
    deep = draw_blocks(replace(SMALL, depth=10**9), seeds=range(1))
    next(deep)
    next(deep)


def test_the_fields_reach_the_block() -> None:
    stack = replace(
        SMALL,
        placement="sandwich",
        residual=0.5,
        norm="rms",
        ln_eps=0.1,
        tau=2.0,
        fixed_std=3.0,
        activation="silu",
    )
    block = next(draw_blocks(stack, seeds=range(2)))
    assert block.placement == "sandwich"
    assert block.residual == 0.5
    assert block.feed_forward is not None
    assert block.feed_forward.activation == "silu"
    for norm in (block.norm_1, block.norm_2, block.norm_1_out, block.norm_2_out):
        assert (norm.kind, norm.eps, norm.tau, norm.fixed_std) == ("rms", 0.1, 2.0, 3.0)
    bare = next(draw_blocks(replace(SMALL, ffn_width=0), seeds=range(1)))
    assert bare.feed_forward is None


def test_shapes_and_dtype() -> None:
    block = next(draw_blocks(replace(SMALL, bias_std=1.0), seeds=range(2)))
    attention, ffn = block.attention, block.feed_forward
    assert ffn is not None
    for array, shape in (
        (attention.query, (2, 3, 12, 4)),
        (attention.key, (2, 3, 12, 4)),
        (attention.value, (2, 3, 12, 4)),
        (attention.output, (2, 3, 4, 12)),
        (attention.bias, (2, 12)),
        (ffn.weight_in, (2, 12, 20)),
        (ffn.weight_out, (2, 20, 12)),
        (ffn.bias_in, (2, 20)),
        (ffn.bias_out, (2, 12)),
        (draw_tokens(SMALL, seeds=range(2)), (2, 5, 12)),
    ):
        assert array is not None
        assert array.shape == shape
        assert array.dtype == np.float64


# --- what an ensemble is ---------------------------------------------------------------------


def whole(heads: Floats) -> Floats:
    """Return (h, d, k) as the d x (h k) matrix that it was cut from."""
    return np.concatenate(list(heads), axis=-1)


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (1, 5), (5, 1)])
def test_orthogonal_means_orthonormal_rows_or_columns(shape: tuple[int, int]) -> None:
    matrix = orthogonal(Normals(0), *shape)
    assert matrix.shape == shape
    gram = matrix @ matrix.T if shape[0] <= shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-14)


def test_orthogonal_matrices_are_haar_distributed() -> None:
    traces = np.asarray([np.trace(orthogonal(Normals(i), 3, 3)) for i in range(3000)])
    # Haar: E tr = 0 and E tr^2 = 1 (Diaconis and Shahshahani); five standard errors. The bare QR
    # decomposition, whose triangle has a negative diagonal, gives a trace far from 0.
    assert abs(traces.mean()) < 5 / 3000**0.5
    assert abs((traces**2).mean() - 1) < 5 * (traces**2).std() / 3000**0.5
    signs = np.sign([np.linalg.det(orthogonal(Normals(i), 3, 3)) for i in range(400)])
    assert abs(signs.mean()) < 5 / 400**0.5


def test_orthogonal_weights_are_orthogonal_as_whole_matrices() -> None:
    block = next(draw_blocks(replace(SMALL, weights="orthogonal"), seeds=range(1)))
    for heads in (block.attention.query, block.attention.key, block.attention.value):
        assert heads is not None
        np.testing.assert_allclose(whole(heads[0]).T @ whole(heads[0]), np.eye(12), atol=1e-14)
    assert block.attention.output is not None
    output = block.attention.output[0].reshape(12, 12)
    np.testing.assert_allclose(output.T @ output, np.eye(12), atol=1e-14)


@pytest.mark.parametrize("rank", [1, 3, 12])
def test_low_rank_weights_have_the_rank(rank: int) -> None:
    block = next(draw_blocks(replace(SMALL, weights="low-rank", rank=rank), seeds=range(1)))
    assert block.feed_forward is not None
    assert np.linalg.matrix_rank(whole(block.attention.value[0])) == min(rank, 12)
    assert np.linalg.matrix_rank(block.feed_forward.weight_in[0]) == min(rank, 12)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal", "low-rank"])
def test_unit_gain_keeps_the_size_of_what_is_multiplied(weights: Any) -> None:
    stack = Stack(depth=1, width=64, heads=4, ffn_width=256, weights=weights)
    block = next(draw_blocks(stack, seeds=range(40)))
    assert block.feed_forward is not None
    tokens = generator(0).standard_normal((40, 200, 64))
    values = tokens @ np.concatenate(list(np.moveaxis(block.attention.value, 1, 0)), axis=-1)
    hidden = tokens @ block.feed_forward.weight_in
    spread = 0.1 if weights != "orthogonal" else 0.01
    assert abs((values**2).mean() - 1) < spread
    # An orthogonal 64 x 256 matrix has norm one rows: a quarter of the variance for each feature.
    assert abs((hidden**2).mean() - (0.25 if weights == "orthogonal" else 1)) < spread


def test_bert_weights_have_std_two_hundredths_and_identity_weights_are_near_the_identity() -> None:
    stack = Stack(depth=1, width=64, heads=1, ffn_width=64)
    bert = next(draw_blocks(replace(stack, weights="bert"), seeds=range(9)))
    assert abs(bert.attention.value.std() - 0.02) < 0.001
    near = next(draw_blocks(replace(stack, weights="identity"), seeds=range(9)))
    noise = near.attention.value[:, 0] - np.eye(64)
    assert abs(noise.std() - 0.1 / 8) < 0.001


@pytest.mark.parametrize("initial", get_args(Initial))
def test_the_tokens_are_what_they_are_called(initial: Initial) -> None:
    tokens = draw_tokens(replace(SMALL, initial=initial), seeds=range(50))
    apart = tokens - tokens.mean(axis=1, keepdims=True)
    relative = np.linalg.norm(apart, axis=(1, 2)) / np.linalg.norm(tokens, axis=(1, 2))
    if initial == "gaussian":
        assert abs(tokens.std() - 1) < 0.1
    elif initial == "orthogonal":
        gram = tokens @ np.swapaxes(tokens, 1, 2)
        np.testing.assert_allclose(gram, np.broadcast_to(12 * np.eye(5), gram.shape), atol=1e-12)
    elif initial == "near-consensus":
        assert relative.max() < 5e-3
        assert relative.min() > 1e-4
    else:
        gaps = np.linalg.norm(tokens[:, :, None] - tokens[:, None], axis=-1)
        near = gaps < 0.4 * 12**0.5  # about sqrt(0.24) within a cluster, sqrt(24) between two
        for graph in near:  # being near is an equivalence with at most two classes
            assert len({tuple(row) for row in graph}) <= 2


# --- bad fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depth", 0),
        ("tokens", 0),
        ("tokens", 1),
        ("width", 0),
        ("heads", 0),
        ("heads", -2),
        ("rank", 0),
        ("ffn_width", -1),
        ("weights", "uniform"),
        ("initial", "equal"),
        ("activation", "swish"),
        ("norm", "batch"),
        ("placement", "peri"),
        ("value_gain", float("nan")),
        ("score_gain", float("inf")),
        ("ffn_gain", float("nan")),
        ("bias_std", float("inf")),
        ("norm_gain", float("nan")),
        ("residual", float("-inf")),
        ("ln_eps", -1.0),
        ("ln_eps", float("nan")),
        ("tau", 0.0),
        ("tau", float("nan")),
        ("fixed_std", -1.0),
        ("bias_std", -1.0),
        ("rank", 13),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"{field} must .*but is '?{value}"):
        replace(SMALL, **{field: value})


@pytest.mark.parametrize("name", ["tau", "fixed_std"])
def test_without_a_norm_its_std_cannot_be_set(name: str) -> None:
    assert replace(SMALL, norm="none").norm == "none"
    with pytest.raises(InputError, match=f"{name} must be left out where norm is none"):
        replace(SMALL, norm="none", **{name: 2.0})  # type: ignore[arg-type]  # a plain str


def test_heads_that_do_not_divide_the_width_are_refused_with_both_numbers() -> None:
    with pytest.raises(InputError, match="width must be a multiple of heads, but is 12 for 5"):
        replace(SMALL, heads=5)


@pytest.mark.parametrize("seeds", [range(0), range(5, 5), range(3, 1)])
def test_no_seed_is_refused(seeds: range) -> None:
    with pytest.raises(InputError, match="seeds"):
        next(draw_blocks(SMALL, seeds=seeds))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed must not be negative"):
        next(draw_blocks(SMALL, seeds=range(-1, 1)))
    with pytest.raises(InputError, match="seed must not be negative"):
        draw_tokens(SMALL, seeds=range(-1, 1))


@pytest.mark.parametrize("name", ["depth", "tokens", "width", "heads", "rank", "ffn_width"])
@pytest.mark.parametrize("value", [2.5, 4.0, "4", None, True, np.asarray(4)])
def test_a_count_that_is_no_whole_number_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name} must be a whole number, but is"):
        replace(Stack(), **{name: value})


@pytest.mark.parametrize(
    "name", ["score_gain", "residual", "bias_std", "ln_eps", "tau", "fixed_std"]
)
@pytest.mark.parametrize("value", ["2", [2.0], 2j])
def test_a_scale_that_is_no_number_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name} must be a number, but is"):
        replace(Stack(), **{name: value})


def test_whole_numbers_may_be_those_of_numpy() -> None:
    plain = replace(SMALL, value_gain=2.0)
    numbers: dict[str, Any] = {"depth": np.int64(3), "width": np.int32(12)}
    other = replace(SMALL, value_gain=2.0, **numbers)
    assert type(other.depth) is type(other.width) is int
    for one, two in zip(
        *(draw_blocks(stack, seeds=range(1)) for stack in (plain, other)), strict=True
    ):
        assert_equal(one, two)
