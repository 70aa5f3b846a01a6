"""The block coefficient v: a bound that no block breaks, that is reached, and by hand."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, target

from tests.helpers.blocks import Floats, blocks, masks, move, random_block, random_tokens
from tests.helpers.exact_block import block_step, rows_of
from tests.test_theory.helpers.exact import norm as frobenius
from tests.test_theory.helpers.exact import residual as centred
from theory.arrays import namespace, to_numpy
from theory.blocks.activations import activation
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.bounds.block_rounding import coefficient_bounds
from theory.bounds.coefficients import (
    Coefficients,
    WeightNorms,
    block_coefficients,
    norm_stretch,
    weight_norms,
)
from theory.statements.instances import member

EPS = float(np.finfo(np.float64).eps)
# A coefficient is a product of a few spectral norms and stds of matrices below 10 x 10: an SVD
# errs by 4 p (p + q) eps, less than 400 eps, and what a std divides is up to 1e3 times the std.
ROUNDING = 1e-10


def coefficients(
    block: Block, tokens: Floats, *, mask: Any = None, adjacency: Any = None
) -> Coefficients:
    return block_coefficients(block, apply_block(block, tokens, mask=mask, adjacency=adjacency))


def distance(tokens: Floats) -> float:
    return float(np.linalg.norm(tokens - tokens.mean(axis=-2, keepdims=True)))


# --- no block breaks the bound ---------------------------------------------------------------


@st.composite
def awkward_tokens(draw: st.DrawFn) -> Floats:
    """Draw tokens far from each other, nearly equal, in two clusters, or along one line."""
    tokens = random_tokens(draw(st.integers(0, 999)), 4, 6)
    kind = draw(st.sampled_from(["far", "near", "clusters", "line"]))
    if kind == "near":
        return tokens[:1] + 10.0 ** -draw(st.integers(1, 12)) * tokens
    if kind == "clusters":
        return tokens[[0, 0, 1, 1]]
    return tokens[:1] * np.asarray([[1.0], [-1.0], [3.0], [0.2]]) if kind == "line" else tokens


@given(block=blocks(), tokens=awkward_tokens(), mask=st.none() | masks(4))
def test_no_block_stretches_the_distance_by_more_than_any_form_of_v(
    block: Block, tokens: Floats, mask: Any
) -> None:
    found = coefficients(block, tokens, mask=mask)
    with mp.workdps(60):
        rows = rows_of(tokens)
        exact = block_step(block, rows, mask)
        ratio = float(frobenius(centred(exact.output)) / frobenius(centred(rows)))
    target(ratio / float(found.v_stacked), label="measured over bound")
    assert ratio <= float(found.v_stacked) * (1 + ROUNDING)


@given(block=blocks(), tokens=awkward_tokens(), mask=st.none() | masks(4))
def test_the_sharper_forms_are_never_larger(block: Block, tokens: Floats, mask: Any) -> None:
    found = coefficients(block, tokens, mask=mask)
    assert 0 <= found.v_stacked <= found.v_sharp
    assert found.v_sharp <= found.v * (1 + 16 * EPS)  # a dozen products and sums


# --- the bound is reached --------------------------------------------------------------------


def scalar_block(*, value: tuple[float, ...], ffn: tuple[float, float], **options: Any) -> Block:
    """Return a block whose weights all are multiples of the identity."""
    unit = np.eye(6)
    attention = Attention(None, None, np.asarray([factor * unit for factor in value]))
    feed_forward = FeedForward(ffn[0] * unit, ffn[1] * unit, activation="identity")
    return Block(attention, feed_forward, **options)


@pytest.mark.parametrize("placement", ["post", "pre", "sandwich"])
@pytest.mark.parametrize("value", [(0.7,), (0.7, 0.3), (2.0, 0.0, 0.1)])
def test_the_sharp_forms_are_reached_where_every_map_is_a_multiple_of_the_identity(
    placement: Any, value: tuple[float, ...]
) -> None:
    norms = {
        name: Norm(gain=np.full(6, gain), tau=tau, fixed_std=std)
        for name, gain, tau, std in (
            ("norm_1", 1.3, 0.8, 2.0),
            ("norm_2", 0.6, 1.1, 0.7),
            ("norm_1_out", 2.1, 0.9, 1.2),
            ("norm_2_out", 0.8, 1.7, 3.0),
        )
    }
    block = scalar_block(value=value, ffn=(1.5, 0.4), placement=placement, residual=1.7, **norms)
    tokens = random_tokens(0, 4, 6)
    tokens -= tokens.mean(axis=-1, keepdims=True)  # centring the features then changes nothing
    alone = np.broadcast_to(np.eye(4), (len(value), 4, 4))
    step = apply_block(block, tokens, adjacency=alone)
    found = block_coefficients(block, step)
    ratio = distance(step.output) / distance(tokens)
    assert abs(found.v_sharp / ratio - 1) <= 1e-13
    assert abs(found.v_stacked / ratio - 1) <= 1e-13
    assert found.v >= ratio * (1 - 1e-13)


@pytest.mark.parametrize("heads", [1, 3])
def test_the_published_form_is_reached_where_all_weights_are_alike(heads: int) -> None:
    none = Norm(kind="none")
    block = scalar_block(value=(0.5,) * heads, ffn=(0.5, 0.5), norm_1=none, norm_2=none)
    tokens = random_tokens(0, 4, 6)
    step = apply_block(block, tokens, adjacency=np.broadcast_to(np.eye(4), (heads, 4, 4)))
    found = block_coefficients(block, step)
    ratio = distance(step.output) / distance(tokens)
    assert abs(ratio - (1 + 0.5 * heads) * 1.25) <= 1e-13
    assert abs(found.v - ratio) <= 1e-13


@given(seed=st.integers(0, 999))
def test_attention_alone_reaches_sqrt_lambda_in_the_direction_of_its_singular_vector(
    seed: int,
) -> None:
    adjacency = np.random.default_rng(seed).dirichlet(np.full(4, 0.2), (1, 4))
    block = Block(Attention(None, None, np.eye(6)[None]), norm_1=Norm("none"), residual=0.0)
    deviations = adjacency[0] - adjacency[0].mean(axis=0)
    direction = np.linalg.svd(deviations)[2][0]
    tokens = np.outer(direction, random_tokens(seed, 6))
    found = coefficients(block, tokens, adjacency=adjacency)
    image = distance(apply_block(block, tokens, adjacency=adjacency).output)
    # Rows sum to one, so the direction is orthogonal to e: its distance is its norm.
    assert abs(image - float(found.v) * distance(tokens)) <= 1e-13 * image
    assert abs(float(found.lambda_) - float(found.v) ** 2) <= 1e-13 * float(found.lambda_)


@pytest.mark.parametrize(
    ("name", "steepest"),
    [("relu", 1.0), ("gelu", 2**0.5), ("gelu_tanh", 1.42), ("silu", 2.4), ("tanh", 0.0)],
)
def test_the_lipschitz_constant_of_the_activation_is_needed(name: str, steepest: float) -> None:
    attention = Attention(None, None, np.zeros((1, 1, 1)))
    ffn = FeedForward(np.ones((1, 1)), np.ones((1, 1)), activation=name)
    none = Norm(kind="none")
    block = Block(attention, ffn, norm_1=none, norm_2=none)
    tokens = np.asarray([[steepest - 1e-3], [steepest + 1e-3]])
    step = apply_block(block, tokens, adjacency=np.full((1, 2, 2), 0.5))
    found = block_coefficients(block, step)
    ratio = distance(step.output) / distance(tokens)
    assert ratio <= float(found.v) * (1 + 1e-12)
    assert ratio >= float(found.v) * (1 - 1e-3)
    assert found.v == 1 + activation(name).lipschitz


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_a_norm_stretches_small_steps_across_a_token_by_gain_over_tau_sigma(
    kind: Any, eps: float
) -> None:
    token, step = np.asarray([3.0, -3.0, 1.0, -1.0]), np.asarray([1.0, 1.0, -1.0, -1.0])
    norm = Norm(kind, gain=np.full(4, -2.0), tau=1.7, eps=eps)
    block = Block(Attention(None, None, np.zeros((1, 4, 4))), norm_1=norm)
    tokens = np.stack([token + 1e-4 * step, token - 1e-4 * step])
    out = apply_block(block, tokens, adjacency=np.full((1, 2, 2), 0.5))
    found = block_coefficients(block, out)
    std = float((5.0 + eps) ** 0.5)  # mean square of the token, which already is centred
    assert abs(float(found.v) - 2 / (1.7 * std)) <= 1e-7
    ratio = distance(out.output) / distance(tokens)
    assert float(found.v) * (1 - 1e-7) <= ratio <= float(found.v) * (1 + 1e-10)


def test_heads_that_read_different_features_do_not_add_up_in_the_stacked_form() -> None:
    value = np.asarray([np.diag([1.0, 0.0]), np.diag([0.0, 1.0])])
    block = Block(Attention(None, None, value), norm_1=Norm("none"), residual=0.0)
    alone = np.broadcast_to(np.eye(3), (2, 3, 3))
    found = coefficients(block, random_tokens(0, 3, 2), adjacency=alone)
    assert abs(float(found.v_sharp) - 2) <= 1e-14
    assert abs(float(found.v_stacked) - 2**0.5) <= 1e-14


# --- by hand ---------------------------------------------------------------------------------


def by_hand(block: Block, step: BlockStep) -> dict[str, float]:
    """Return the coefficients of a block without batch axes from textbook formulas."""
    n = step.adjacency.shape[-1]
    centring = np.eye(n) - np.full((n, n), 1 / n)
    top = [np.linalg.eigvalsh(a.T @ centring @ a)[-1] for a in step.adjacency]
    attention = block.attention
    products = [
        v if attention.output is None else v @ attention.output[k]
        for k, v in enumerate(attention.value)
    ]
    sizes = [float(np.linalg.norm(p, 2)) for p in products]
    ffn, ends = block.feed_forward, [0.0, 0.0]
    if ffn is not None:
        ends = [float(np.linalg.norm(w, 2)) for w in (ffn.weight_in, ffn.weight_out)]
    s, root = max(*sizes, *ends), max(top) ** 0.5
    c = activation(ffn.activation).lipschitz if ffn is not None else 0.0
    r = abs(block.residual)

    def stretch(norm: Norm, std: Any) -> float:
        gain = 1.0 if norm.gain is None else float(np.abs(norm.gain).max())
        return 1.0 if norm.kind == "none" else gain / (norm.tau * float(std.min()))

    one, two = stretch(block.norm_1, step.std_1), 1.0
    out_one = out_two = 1.0
    if ffn is not None:
        two = stretch(block.norm_2, step.std_2)
    if block.placement == "sandwich":
        out_one = stretch(block.norm_1_out, step.std_1_out)
        out_two = 1.0 if ffn is None else stretch(block.norm_2_out, step.std_2_out)

    def v(attend: float, feed: float) -> float:
        if block.placement == "post":
            return one * (r + attend) * (1.0 if ffn is None else two * (r + feed))
        return (r + one * attend * out_one) * (1.0 if ffn is None else r + two * feed * out_two)

    heads = sum(t**0.5 * size for t, size in zip(top, sizes, strict=True))
    return {
        "lambda": max(top),
        "s": s,
        "v": v(root * len(top) * s, c * s * s),
        "v_sharp": v(heads, c * ends[0] * ends[1]),
    }


@given(block=blocks(), mask=st.none() | masks(4), seed=st.integers(0, 999))
def test_the_numbers_are_those_of_the_textbook_formulas(block: Block, mask: Any, seed: int) -> None:
    step = apply_block(block, random_tokens(seed, 4, 6), mask=mask)
    found = dict(block_coefficients(block, step).items())
    for name, wanted in by_hand(block, step).items():
        number = found[name]
        assert number is not None
        # eigvalsh of A^T C A errs by a few eps of its norm, so sqrt(lambda) by sqrt of that
        # where A is nearly of rank one; scores of random tokens are not.
        assert abs(float(number) - wanted) <= 1e-7 * wanted + 1e-9, name
    for name, std in (("sigma_1", step.std_1), ("sigma_2", step.std_2)):
        assert found[name] is None if std is None else found[name] == std.min()


def test_coefficients_are_compared_by_identity_and_without_an_error() -> None:
    block = random_block(0, batch=(2,))
    one, other = (coefficients(block, random_tokens(0, 2, 4, 6)) for _ in range(2))
    assert one == one
    assert one != other
    assert weight_norms(block) != weight_norms(block)


def test_the_names_are_those_of_reports() -> None:
    found = coefficients(random_block(0), random_tokens(0, 4, 6))
    names = [name for name, _ in found.items()]
    assert names == ["lambda", "s", "sigma_1", "sigma_2", "v", "v_sharp", "v_stacked"]


def test_without_feed_forward_and_norms_there_are_no_such_numbers() -> None:
    found = coefficients(random_block(0, feed_forward=False, kind="none"), random_tokens(0, 4, 6))
    assert found.sigma_1 is None
    assert found.sigma_2 is None
    norms = weight_norms(random_block(0, feed_forward=False))
    assert norms.ffn_in is None
    assert norms.ffn_out is None
    assert norms.largest == norms.value.max()


def test_given_norms_are_used_instead_of_new_ones() -> None:
    block, tokens = random_block(0), random_tokens(0, 4, 6)
    step = apply_block(block, tokens)
    norms = weight_norms(block)
    same = block_coefficients(block, step, norms=norms)
    assert vars(same) == vars(block_coefficients(block, step))
    assert norms.ffn_in is not None
    doubled = WeightNorms(norms.value, 100 * norms.ffn_in, norms.ffn_out)
    assert block_coefficients(block, step, norms=doubled).s == 100 * norms.ffn_in


def test_a_norm_that_divides_nothing_stretches_nothing() -> None:
    like = np.ones(())
    assert norm_stretch(Norm("none", gain=np.full(3, 9.0)), np.ones(4), like=like) == 1
    assert norm_stretch(Norm(tau=2.0), np.asarray([0.5, 3.0]), like=like) == 1
    hidden = norm_stretch(
        Norm(), np.asarray([0.5, 3.0]), like=like, token_mask=np.asarray([False, True])
    )
    assert hidden == 1 / 3


# --- the same number by other ways -----------------------------------------------------------


@given(block=blocks(factored=True), seed=st.integers(0, 999))
def test_a_value_and_output_matrix_give_the_numbers_of_their_product(
    block: Block, seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    attention = block.attention
    product = replace(attention, value=attention.value @ attention.output, output=None)
    two = dict(coefficients(block, tokens).items())
    for name, value in coefficients(replace(block, attention=product), tokens).items():
        other = two[name]
        assert (value is None) == (other is None)
        if value is not None and other is not None:
            assert abs(value - other) <= ROUNDING * value, name


@given(block=blocks(), seed=st.integers(0, 999))
def test_padding_changes_no_number(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 2, 6, 6)
    present = np.asarray([[True] * 4 + [False] * 2, [False] + [True] * 5])
    step = apply_block(block, tokens, mask=present[:, None, :])
    padded = block_coefficients(block, step, token_mask=present)
    for i in range(2):
        alone = coefficients(block, tokens[i][present[i]])
        for (name, found), (_, wanted) in zip(padded.items(), alone.items(), strict=True):
            assert (found is None) == (wanted is None)
            if found is not None and wanted is not None:
                assert abs(found[i] - wanted) <= ROUNDING * wanted, name


@given(block=blocks(batch=(3,)), seed=st.integers(0, 999))
def test_a_batch_is_its_members_one_by_one(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 3, 4, 6)
    together = coefficients(block, tokens)
    for i in range(3):
        alone = coefficients(member(block, (i,)), tokens[i])
        for (name, found), (_, wanted) in zip(together.items(), alone.items(), strict=True):
            assert (found is None) == (wanted is None)
            if found is not None and wanted is not None:
                assert found.shape == (3,)
                assert abs(found[i] - wanted) <= ROUNDING * wanted, name


@pytest.mark.parametrize("placement", ["post", "pre", "sandwich"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, placement: Any, dtype: str
) -> None:
    block = random_block(1, placement=placement)
    tokens = random_tokens(1, 2, 5, 6)
    present = np.asarray([[True] * 5, [True] * 3 + [False] * 2])
    step = apply_block(block, tokens, mask=present[:, None, :])
    wanted = block_coefficients(block, step, token_mask=present)
    there = xp.asarray(tokens, dtype=getattr(xp, dtype), device=device)
    keys = xp.asarray(present, device=device)
    moved = move(block, xp, dtype=dtype, device=device)
    found = block_coefficients(
        moved, apply_block(moved, there, mask=keys[:, None, :]), token_mask=keys
    )
    for (name, value), (_, other) in zip(found.items(), wanted.items(), strict=True):
        assert value is not None
        assert value.dtype == there.dtype
        assert value.device == there.device
        relative = np.abs(to_numpy(value) - other) / np.asarray(other)
        assert relative.max() <= (ROUNDING if dtype == "float64" else 1e-3), name


# --- where something vanishes ----------------------------------------------------------------


def test_equal_rows_of_attention_leave_the_residual_alone() -> None:
    block = random_block(0, kind="none", residual=0.5, feed_forward=False)
    found = coefficients(block, random_tokens(0, 4, 6), adjacency=np.full((2, 4, 4), 0.25))
    assert found.lambda_ == 0
    assert found.v == found.v_sharp == found.v_stacked == 0.5


@pytest.mark.parametrize("factored", [False, True])
def test_a_head_without_weights_counts_for_nothing_and_gives_no_nan(factored: bool) -> None:
    block = random_block(0, factored=factored)
    value = block.attention.value.copy()
    value[1] = 0
    silent = replace(block, attention=replace(block.attention, value=value))
    single = replace(
        silent,
        attention=replace(
            silent.attention,
            **{
                name: part[:1]
                for name in ("query", "key", "value", "output", "query_bias", "key_bias")
                if (part := getattr(silent.attention, name)) is not None
            },
        ),
    )
    tokens = random_tokens(0, 4, 6)
    two, one = coefficients(silent, tokens), coefficients(single, tokens)
    assert abs(two.v_sharp - one.v_sharp) <= ROUNDING * one.v_sharp
    assert abs(two.v_stacked - one.v_stacked) <= ROUNDING * one.v_stacked
    nothing = replace(block, attention=replace(block.attention, value=0 * value))
    found = coefficients(nothing, tokens)
    assert all(np.isfinite(number) for _, number in found.items() if number is not None)


@pytest.mark.parametrize("scale", [1e-150, 1e-80, 1e80, 1e150])
def test_weights_of_any_size_give_the_scaled_number(scale: float) -> None:
    block = random_block(0, kind="none", residual=0.0, feed_forward=False, plain=True)
    adjacency = np.random.default_rng(0).dirichlet(np.ones(4), (2, 4))
    value = scale * block.attention.value
    scaled = replace(block, attention=replace(block.attention, value=value))
    tokens = random_tokens(0, 4, 6)
    found = coefficients(scaled, tokens, adjacency=adjacency)
    wanted = coefficients(block, tokens, adjacency=adjacency)
    for name in ("v", "v_sharp", "v_stacked"):
        assert abs(getattr(found, name) / scale / getattr(wanted, name) - 1) <= ROUNDING, name


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_norms_of_wide_weights_may_be_upper_ends_of_narrow_brackets(
    dtype: str, spread: float
) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((2, 260, 300)) * np.geomspace(1, 10.0**-spread, 300)
    block = Block(
        Attention(None, None, np.eye(260)[None]),
        FeedForward(weights, np.ascontiguousarray(np.swapaxes(weights, -1, -2))),
    )
    block = move(block, namespace(weights), dtype=dtype)
    exact, fast = weight_norms(block), weight_norms(block, tolerance=1e-6)
    assert exact.excess == 0
    rounding = 64 * float(np.finfo(dtype).eps)
    assert 0 < fast.excess <= max(2e-6, 2 * rounding)
    for one, two in ((exact.ffn_in, fast.ffn_in), (exact.ffn_out, fast.ffn_out)):
        assert one is not None
        assert two is not None
        assert two.dtype == one.dtype == dtype
        assert np.all(two >= one * (1 - rounding))
        assert np.all(two <= one * (1 + fast.excess + rounding))


def test_the_ends_of_s_and_v_know_of_the_brackets() -> None:
    rng = np.random.default_rng(0)
    weights, tokens = rng.standard_normal((8, 8)), rng.standard_normal((4, 8))
    block = Block(Attention(None, None, np.eye(8)[None]), FeedForward(weights, weights))
    shares = np.eye(4)[None] / 2 + 1 / 8
    step = apply_block(block, tokens, adjacency=shares)
    exact = block_coefficients(block, step)
    norms = weight_norms(block)
    assert norms.ffn_in is not None
    assert norms.ffn_out is not None
    norms = replace(norms, ffn_in=1.01 * norms.ffn_in, ffn_out=1.01 * norms.ffn_out, excess=0.0101)
    found = block_coefficients(block, step, norms=norms)
    ends = coefficient_bounds(block, tokens, step, found, norms=norms)
    for name in ("s", "v"):
        lower, upper = (getattr(ends, f"{name}_{end}") for end in ("lower", "upper"))
        assert lower < getattr(exact, name) < upper
        assert lower < getattr(found, name) < upper
        assert lower > getattr(exact, name) * (1 - 1e-3)
        assert upper > getattr(exact, name) * (1 + 1e-3)


def test_no_norm_is_wide_enough_for_zeros() -> None:
    zeros = np.zeros((256, 256))
    block = Block(Attention(None, None, np.eye(256)[None]), FeedForward(zeros, zeros))
    found = weight_norms(block, tolerance=1e-6)
    assert found.ffn_in == 0
    assert found.ffn_out == 0
    assert 0 <= found.excess < 1e-14
