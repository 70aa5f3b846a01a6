"""One Transformer block: the definition in plain loops, torch's own layer, and its symmetries."""

import math
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import Floats, blocks, masks, move, random_block, random_tokens
from tests.helpers.exact_block import block_step, rows_of
from theory.arrays import InputError, to_numpy
from theory.blocks.forward import apply_block, attention_adjacency, feed_forward, softmax
from theory.blocks.norms import Norm, apply_norm, norm_std
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.statements.instances import member

EPS = float(np.finfo(np.float64).eps)
# Blocks here are products of a dozen maps of width below 10 and norm below 10; each errs by a
# few dozen eps of its values, and a norm with a small std may magnify that by ten or so.
CLOSE = 1e-10
CAUSAL = np.tri(5, dtype=bool)


def parts(step: BlockStep) -> Iterator[tuple[str, Floats]]:
    for name, value in step._asdict().items():
        if value is not None:
            yield name, np.asarray(to_numpy(value), dtype=np.float64)


def assert_same(found: BlockStep, wanted: BlockStep, *, tolerance: float = CLOSE) -> None:
    """Compare all parts, relative to the largest entry of each."""
    pairs = dict(parts(found)), dict(parts(wanted))
    assert pairs[0].keys() == pairs[1].keys()
    for name, value in pairs[0].items():
        other = pairs[1][name]
        assert value.shape == other.shape, name
        assert np.abs(value - other).max() <= tolerance * max(np.abs(other).max(), 1e-300), name


# --- the definition --------------------------------------------------------------------------


@given(block=blocks(), mask=st.none() | masks(4), seed=st.integers(0, 999))
def test_a_block_does_what_its_definition_says_in_plain_loops(
    block: Block, mask: Any, seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    with mp.workdps(30):
        exact = block_step(block, rows_of(tokens), mask)
    wanted = BlockStep(
        *(None if part is None else np.asarray(part, dtype=np.float64) for part in exact)
    )
    assert_same(apply_block(block, tokens, mask=mask), wanted)


def torch_layer(**options: Any) -> Any:
    """Return torch's own encoder layer in float64, its zero biases and unit gains replaced."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        12, 3, dim_feedforward=20, dropout=0.0, batch_first=True, dtype=torch.float64, **options
    ).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn_like(parameter)
    return layer


def from_torch(layer: Any, *, placement: Any, activation: str) -> Block:
    w = {name: p.detach() for name, p in layer.named_parameters()}
    d, h = 12, 3

    def heads(rows: slice) -> Any:
        return w["self_attn.in_proj_weight"][rows].T.reshape(d, h, d // h).moveaxis(1, 0)

    def head_bias(rows: slice) -> Any:
        return w["self_attn.in_proj_bias"][rows].reshape(h, d // h)

    query, key, value = slice(0, d), slice(d, 2 * d), slice(2 * d, 3 * d)
    out = w["self_attn.out_proj.weight"].T
    attention = Attention(
        query=heads(query),
        key=heads(key),
        value=heads(value),
        output=out.reshape(h, d // h, d),
        query_bias=head_bias(query),
        key_bias=head_bias(key),
        bias=w["self_attn.in_proj_bias"][value] @ out + w["self_attn.out_proj.bias"],
    )
    ffn = FeedForward(
        weight_in=w["linear1.weight"].T,
        weight_out=w["linear2.weight"].T,
        bias_in=w["linear1.bias"],
        bias_out=w["linear2.bias"],
        activation=activation,
    )
    first, second = (
        Norm(gain=w[f"norm{i}.weight"], shift=w[f"norm{i}.bias"], eps=layer.norm1.eps)
        for i in (1, 2)
    )
    return Block(attention, ffn, norm_1=first, norm_2=second, placement=placement)


@pytest.mark.parametrize("placement", ["post", "pre"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_block_agrees_with_the_layer_that_torch_ships(
    placement: str, activation: str, masked: bool
) -> None:
    torch = pytest.importorskip("torch")
    layer = torch_layer(norm_first=placement == "pre", activation=activation)
    block = from_torch(layer, placement=placement, activation=activation)
    tokens = torch.asarray(random_tokens(3, 2, 5, 12))
    mask = torch.asarray(CAUSAL) if masked else None
    with torch.no_grad():
        wanted = layer(tokens, src_mask=None if mask is None else ~mask)
        found = apply_block(block, tokens, mask=mask).output
    assert float((found - wanted).abs().max()) <= 1e-12


# --- libraries, dtypes, devices, batches -----------------------------------------------------


@pytest.mark.parametrize("placement", ["post", "pre", "sandwich"])
@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, placement: Any, kind: Any, dtype: str
) -> None:
    block = random_block(1, placement=placement, kind=kind, eps=1e-5, tau=1.5)
    tokens = random_tokens(1, 2, 5, 6)
    wanted = apply_block(block, tokens, mask=CAUSAL)
    there = xp.asarray(tokens, dtype=getattr(xp, dtype), device=device)
    found = apply_block(
        move(block, xp, dtype=dtype, device=device), there, mask=xp.asarray(CAUSAL, device=device)
    )
    for part in found:
        if part is not None:
            assert part.dtype == there.dtype
            assert part.device == there.device
    assert_same(found, wanted, tolerance=CLOSE if dtype == "float64" else 1e-4)


@given(block=blocks(batch=(2, 3)), mask=st.none() | masks(4), seed=st.integers(0, 999))
def test_a_batch_is_its_members_one_by_one(block: Block, mask: Any, seed: int) -> None:
    tokens = random_tokens(seed, 2, 3, 4, 6)
    together = apply_block(block, tokens, mask=mask)
    for index in np.ndindex(2, 3):
        alone = apply_block(member(block, index), tokens[index], mask=mask)
        assert_same(BlockStep(*(x if x is None else x[index] for x in together)), alone)


@given(block=blocks(), seed=st.integers(0, 999))
def test_one_block_serves_a_batch_and_each_member_may_have_its_mask(
    block: Block, seed: int
) -> None:
    tokens = random_tokens(seed, 3, 4, 6)
    own = np.random.default_rng(seed).random((3, 4, 4)) < 0.5
    own |= np.eye(4, dtype=bool)
    together = apply_block(block, tokens, mask=own)
    for i in range(3):
        alone = apply_block(block, tokens[i], mask=own[i])
        assert_same(BlockStep(*(x if x is None else x[i] for x in together)), alone)


@given(block=blocks())
def test_a_mask_on_keys_alone_is_that_mask_for_every_token(block: Block) -> None:
    tokens = random_tokens(0, 4, 6)
    keys = np.asarray([[True, False, True, True]])
    wanted = apply_block(block, tokens, mask=np.broadcast_to(keys, (4, 4)))
    assert_same(apply_block(block, tokens, mask=keys), wanted, tolerance=0)


@given(block=blocks())
def test_a_given_adjacency_takes_the_place_of_the_computed_one(block: Block) -> None:
    tokens = random_tokens(1, 4, 6)
    step = apply_block(block, tokens, mask=np.tri(4, dtype=bool))
    bare = replace(block, attention=replace(block.attention, query=None, key=None))
    assert_same(apply_block(bare, tokens, adjacency=step.adjacency), step, tolerance=0)


# --- symmetries ------------------------------------------------------------------------------


@given(block=blocks(), mask=masks(4), order=st.permutations(range(4)), seed=st.integers(0, 999))
def test_permuted_tokens_give_the_permuted_output(
    block: Block, mask: Any, order: list[int], seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    plain = apply_block(block, tokens, mask=mask)
    permuted = apply_block(block, tokens[order], mask=mask[np.ix_(order, order)])
    wanted = BlockStep(
        plain.output[order],
        plain.adjacency[:, order][:, :, order],
        *(std if std is None else std[order] for std in plain[2:]),
    )
    assert_same(permuted, wanted)


@given(block=blocks(kind="none"), seed=st.integers(0, 999))
def test_without_norms_rotated_features_give_the_rotated_output(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    turn = np.linalg.qr(random_tokens(seed, 6, 6))[0]
    attention, ffn = block.attention, block.feed_forward
    value = turn.T @ attention.value
    turned = replace(
        attention,
        query=turn.T @ attention.query,
        key=turn.T @ attention.key,
        value=value if attention.output is not None else value @ turn,
        output=None if attention.output is None else attention.output @ turn,
        bias=None if attention.bias is None else attention.bias @ turn,
    )
    if ffn is not None:
        ffn = replace(
            ffn,
            weight_in=turn.T @ ffn.weight_in,
            weight_out=ffn.weight_out @ turn,
            bias_out=None if ffn.bias_out is None else ffn.bias_out @ turn,
        )
    found = apply_block(replace(block, attention=turned, feed_forward=ffn), tokens @ turn)
    wanted = apply_block(block, tokens)
    assert_same(found, wanted._replace(output=wanted.output @ turn))


@given(seed=st.integers(0, 999))
def test_rms_without_gain_turns_with_the_features_but_layer_norm_does_not(seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    turn = np.linalg.qr(random_tokens(seed, 6, 6))[0]
    for kind, turns in (("rms", True), ("layer", False)):
        norm = Norm(kind)  # type: ignore[arg-type]  # a loop variable is a plain str
        error = np.abs(apply_norm(norm, tokens @ turn) - apply_norm(norm, tokens) @ turn).max()
        assert (error <= CLOSE) == turns


@given(block=blocks(), seed=st.integers(0, 999))
def test_under_full_attention_equal_tokens_stay_equal_and_count_twice(
    block: Block, seed: int
) -> None:
    tokens = random_tokens(seed, 3, 6)
    twice = apply_block(block, np.concatenate([tokens, tokens]))
    once = apply_block(block, tokens)
    size = np.abs(once.output).max()
    assert np.abs(twice.output[:3] - once.output).max() <= CLOSE * size
    assert np.abs(twice.output[3:] - once.output).max() <= CLOSE * size
    halves = once.adjacency / 2
    assert np.abs(twice.adjacency - np.tile(halves, (2, 2))).max() <= CLOSE


@given(block=blocks(), seed=st.integers(0, 999))
def test_what_nobody_listens_to_changes_nothing_for_the_others(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 5, 6)
    alone = apply_block(block, tokens[:3])
    other = np.concatenate([tokens[:3], 100 * tokens[3:]])
    keys = np.asarray([[True, True, True, False, False]])
    padded = apply_block(block, other, mask=keys)
    assert np.abs(padded.output[:3] - alone.output).max() <= CLOSE * np.abs(alone.output).max()
    assert np.all(padded.adjacency[:, :, 3:] == 0)


# --- attention weights -----------------------------------------------------------------------


@given(block=blocks(), mask=masks(4), scale=st.sampled_from([1e-300, 1e-3, 1.0, 30.0, 1e6]))
def test_weights_are_shares_of_one_and_zero_where_masked(
    block: Block, mask: Any, scale: float
) -> None:
    tokens = scale * random_tokens(5, 4, 6)
    weights = attention_adjacency(block.attention, tokens, mask=mask)
    assert np.all((weights >= 0) & (weights <= 1))
    assert np.all(weights[:, ~mask] == 0)
    assert np.abs(weights.sum(axis=-1) - 1).max() <= 4 * EPS  # four terms
    if scale <= 1:
        assert np.all(weights[:, mask] > 0)


@given(
    shift=st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4),
    mask=st.none() | masks(4),
    seed=st.integers(0, 999),
)
def test_a_number_added_to_a_row_of_scores_changes_nothing(
    shift: list[float], mask: Any, seed: int
) -> None:
    scores = random_tokens(seed, 2, 4, 4)
    moved = scores + np.asarray(shift)[:, None]
    # The scores themselves are rounded to eps of the shift when it is added.
    allowed = 4 * EPS * (8 + np.abs(shift).max())
    assert np.abs(softmax(moved, mask=mask) - softmax(scores, mask=mask)).max() <= allowed


def test_scores_of_any_size_neither_overflow_nor_give_nan(xp: ModuleType) -> None:
    scores = xp.asarray([[[1e308, -1e308], [-1e308, -1e308]]], dtype=xp.float64)
    with np.errstate(over="ignore"):  # numpy: the difference of the two is -inf, and exp is 0
        weights = to_numpy(softmax(scores))
    assert weights.tolist() == [[[1.0, 0.0], [0.5, 0.5]]]


def test_the_scale_multiplies_the_scores_and_is_1_over_sqrt_k_by_default() -> None:
    attention = random_block(0).attention
    assert attention.score_scale == 1 / math.sqrt(3)
    tokens = random_tokens(0, 4, 6)
    hot = attention_adjacency(replace(attention, scale=0.0), tokens)
    np.testing.assert_allclose(hot, 0.25)
    named = attention_adjacency(replace(attention, scale=1 / math.sqrt(3)), tokens)
    np.testing.assert_array_equal(named, attention_adjacency(attention, tokens))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((4, 4)), "mask must be boolean, but has dtype float64"),
        (np.ones((4, 4), dtype=np.int64), "mask must be boolean"),
        (np.ones(4, dtype=bool), "mask must have shape"),
        (np.zeros((4, 4), dtype=bool), "mask must leave every token at least one"),
        (np.triu(np.ones((4, 4), dtype=bool), 1), "mask must leave every token at least one"),
        (np.ones((3, 3), dtype=bool), r"mask must have shape .* \(3, 3\)"),
        (np.ones((4, 3), dtype=bool), r"mask must have shape .* \(4, 3\)"),
        (np.ones((3, 4), dtype=bool), r"mask must have shape .* \(3, 4\)"),
    ],
)
def test_a_bad_mask_is_named(mask: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply_block(random_block(0), random_tokens(0, 4, 6), mask=mask)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.ones((4, 5)), r"tokens must have shape \(..., n, 6\), but has \(4, 5\)"),
        (np.ones(6), "tokens must have shape"),
        (np.ones((4, 6), dtype=int), "tokens must have dtype float32 or float64"),
        (np.ones((4, 6), dtype=np.float16), "tokens must have dtype .* float16"),
    ],
)
def test_tokens_that_do_not_fit_the_block_are_named(tokens: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply_block(random_block(0), tokens)


MISFITS: dict[str, dict[str, tuple[int, ...]]] = {
    "attention": {
        "value": (2, 6, 4),
        "output": (3, 3, 6),
        "query": (1, 6, 3),
        "key": (2, 6, 4),
        "query_bias": (1, 3),
        "key_bias": (2, 1),
        "bias": (1,),
    },
    "feed_forward": {"weight_in": (3, 8), "weight_out": (6, 6), "bias_in": (1,), "bias_out": (8,)},
    **{f"norm_{name}": {"gain": (1,), "shift": (5,)} for name in ("1", "2", "1_out", "2_out")},
}


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, names in MISFITS.items() for name in names]
)
def test_weights_that_do_not_fit_are_named(part: str, name: str) -> None:
    block = random_block(0)
    wrong = replace(getattr(block, part), **{name: np.ones(MISFITS[part][name])})
    # A value matrix of another head width is seen at the output matrix, which no longer fits.
    named = "attention.output" if name == "value" else f"{part}.{name}"
    with pytest.raises(InputError, match=rf"{named} must have shape"):
        apply_block(replace(block, **{part: wrong}), random_tokens(0, 4, 6))


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 4), (4, 4), (2, 3, 3), (2, 4, 3), (2, 1, 4)])
def test_an_adjacency_must_have_every_head_and_every_token(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"adjacency must have shape \(..., 2, 4, 4\)"):
        apply_block(random_block(0), random_tokens(0, 4, 6), adjacency=np.ones(shape))


def test_batches_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match=r"attention.value must have batch axes that fit \(2,\)"):
        apply_block(random_block(0, batch=(3,)), random_tokens(0, 2, 4, 6))


def test_attention_without_query_and_key_asks_for_the_weights() -> None:
    bare = Attention(query=None, key=None, value=np.eye(6)[None])
    with pytest.raises(InputError, match="adjacency"):
        attention_adjacency(bare, random_tokens(0, 4, 6))
    with pytest.raises(InputError, match="query and key"):
        _ = bare.score_scale


# --- norms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["layer", "rms"])
@given(power=st.integers(-300, 300), seed=st.integers(0, 999))
def test_a_norm_forgets_the_scale_of_a_token_however_large_or_small(
    kind: Any, power: int, seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    scaled = tokens * 10.0**power
    norm = Norm(kind)
    # The product above, the mean, the centred entries and the std err by eps each; d = 6 terms.
    centred = norm_std(norm, tokens) / np.abs(tokens).max(axis=-1)
    allowed = 64 * EPS / centred[:, None]
    assert np.all(np.abs(apply_norm(norm, scaled) - apply_norm(norm, tokens)) <= allowed)
    std = norm_std(norm, scaled) / 10.0**power
    assert np.all(np.abs(std / norm_std(norm, tokens) - 1) <= allowed[:, 0])


@given(shift=st.floats(-1e6, 1e6), seed=st.integers(0, 999))
def test_layer_norm_forgets_a_constant_added_to_a_token(shift: float, seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    std = norm_std(Norm(), tokens)[:, None]
    error = np.abs(apply_norm(Norm(), tokens + shift) - apply_norm(Norm(), tokens))
    assert np.all(error <= 64 * EPS * (np.abs(tokens).max() + abs(shift)) / std)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@given(seed=st.integers(0, 999), tau=st.floats(0.1, 10), eps=st.sampled_from([0.0, 1e-5, 2.0]))
def test_a_normalised_token_has_the_std_that_tau_says(
    kind: Any, seed: int, tau: float, eps: float
) -> None:
    tokens = random_tokens(seed, 4, 6)
    norm = Norm(kind, eps=eps, tau=tau)
    out = apply_norm(norm, tokens)
    centred = tokens - tokens.mean(axis=-1, keepdims=True) if kind == "layer" else tokens
    square = (centred**2).mean(axis=-1)
    np.testing.assert_allclose(norm_std(norm, tokens), np.sqrt(square + eps), rtol=1e-13)
    np.testing.assert_allclose((out**2).mean(axis=-1), square / (square + eps) / tau**2, rtol=1e-12)


def test_gain_and_shift_act_on_features_and_a_fixed_std_divides_all_tokens_alike() -> None:
    tokens = random_tokens(0, 4, 6)
    gain, shift = random_tokens(1, 6), random_tokens(2, 6)
    plain = apply_norm(Norm(), tokens)
    np.testing.assert_allclose(
        apply_norm(Norm(gain=gain, shift=shift), tokens), plain * gain + shift
    )
    fixed = Norm(fixed_std=2.0, tau=1.5)
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(apply_norm(fixed, tokens), centred / 3.0, rtol=1e-14)
    np.testing.assert_array_equal(norm_std(fixed, tokens), np.full(4, 2.0))


@pytest.mark.parametrize("token", [0.0, 1.0, 0.1, 1e300, 1e-300, 5e-324, -1 / 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_token_has_no_direction_unless_eps_gives_it_a_std(
    xp: ModuleType, token: float, dtype: str
) -> None:
    if dtype == "float32" and abs(token) > 1e38:
        token = 1e30
    host = np.concatenate([random_tokens(0, 2, 7), np.full((1, 7), token)])
    tokens = xp.asarray(host, dtype=getattr(xp, dtype))
    with pytest.raises(InputError, match=r"tokens must not have zero variance.* 1 of them"):
        apply_norm(Norm(), tokens)
    eased = to_numpy(apply_norm(Norm(eps=1e-5), tokens))
    assert np.all(np.isfinite(eased))
    assert np.all(eased[2] == 0)


def test_a_zero_token_has_no_direction_for_rms_either() -> None:
    tokens = np.concatenate([random_tokens(0, 2, 7), np.zeros((2, 7))])
    with pytest.raises(InputError, match=r"tokens must not have zero norm.* 2 of them"):
        apply_norm(Norm("rms"), tokens)
    assert np.all(apply_norm(Norm("rms", eps=1e-9), tokens)[2:] == 0)
    assert np.all(np.isfinite(apply_norm(Norm("rms"), np.full((1, 7), 0.1))))


@pytest.mark.parametrize("offset", [1.0, 1e3, 1e6])
def test_a_token_that_varies_more_than_its_rounding_is_not_called_constant(offset: float) -> None:
    tokens = offset * (1 + 1e-14 * np.asarray([[-3.0, 1.0, 2.0]]))
    out = apply_norm(Norm(), tokens)
    assert abs(float((out**2).mean()) - 1) <= 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "batch"}, "kind must be .* 'batch'"),
        ({"eps": -1e-9}, "eps"),
        ({"eps": float("nan")}, "eps"),
        ({"eps": float("inf")}, "eps"),
        ({"tau": 0.0}, "tau"),
        ({"tau": -1.0}, "tau"),
        ({"tau": float("nan")}, "tau"),
        ({"fixed_std": 0.0}, "fixed_std"),
        ({"fixed_std": float("inf")}, "fixed_std"),
    ],
)
def test_a_bad_norm_is_refused_by_the_name_of_the_field(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Norm(**options)


def test_comparing_layers_asks_who_they_are_and_never_raises() -> None:
    one, other = (random_block(0, eps=0.1) for _ in range(2))
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("attention", "norm_1")]
    for a, b in [(one, other), (one.feed_forward, other.feed_forward), *pairs]:
        assert a == a
        assert a != b
        assert len({a, b}) == 2


def test_an_unknown_placement_is_refused() -> None:
    with pytest.raises(InputError, match=r"placement must be 'post'.* 'peri'"):
        replace(random_block(0), placement="peri")  # type: ignore[arg-type]  # that is the point


def test_an_unknown_activation_is_refused_when_it_is_needed() -> None:
    ffn = FeedForward(np.ones((2, 2)), np.ones((2, 2)), activation="swiglu")
    with pytest.raises(InputError, match=r"activation .*'swiglu'"):
        feed_forward(ffn, np.ones((3, 2)))


@given(block=blocks(), seed=st.integers(0, 999))
def test_nothing_is_written_into_the_arguments(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    before = tokens.copy()
    weights = block.attention.value.copy()
    apply_block(block, tokens, mask=np.tri(4, dtype=bool))
    np.testing.assert_array_equal(tokens, before)
    np.testing.assert_array_equal(block.attention.value, weights)
