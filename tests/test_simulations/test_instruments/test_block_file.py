"""Is a block from a file read as it was written?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.instruments.block_file import read_block
from tests.test_simulations.helpers.block_files import H, N, gated, placed, read, scores, weights
from theory.arrays import InputError
from theory.blocks.forward import apply_block, attention_adjacency
from theory.blocks.norms import Norm
from theory.blocks.positions import Positions
from theory.blocks.weights import Attention, Block, FeedForward


def test_every_array_reaches_its_place(tmp_path: Path) -> None:
    arrays = scores()
    found = read(tmp_path, arrays)
    norms = [
        Norm(gain=arrays[f"gain_{i}"], shift=arrays[f"shift_{i}"], eps=1e-3, tau=i + 0.5)
        for i in (1, 2)
    ]
    block = Block(
        Attention(
            query=arrays["query"],
            key=arrays["key"],
            value=arrays["value_output"],
            query_bias=arrays["query_bias"],
            key_bias=arrays["key_bias"],
            bias=arrays["attention_bias"],
        ),
        FeedForward(
            weight_in=arrays["ffn_in"],
            weight_out=arrays["ffn_out"],
            bias_in=arrays["ffn_in_bias"],
            bias_out=arrays["ffn_out_bias"],
            activation="gelu",
        ),
        norm_1=norms[0],
        norm_2=norms[1],
        placement="pre",
        residual=0.5,
    )
    assert found.adjacency is None
    np.testing.assert_array_equal(found.tokens, arrays["tokens"])
    np.testing.assert_array_equal(found.mask, arrays["mask"])
    one = apply_block(found.block, found.tokens, mask=found.mask)
    two = apply_block(block, arrays["tokens"], mask=arrays["mask"])
    np.testing.assert_array_equal(one.output, two.output)
    np.testing.assert_array_equal(one.adjacency, two.adjacency)


@pytest.mark.parametrize("name", sorted(scores().keys() - weights().keys() - {"query", "key"}))
def test_every_array_that_may_be_left_out_matters(tmp_path: Path, name: str) -> None:
    arrays = scores()
    arrays["activation"] = np.asarray("tanh")
    full = read(tmp_path, arrays)
    del arrays[name]
    less = read(tmp_path, arrays)
    one = apply_block(full.block, full.tokens, mask=full.mask).output
    two = apply_block(less.block, less.tokens, mask=less.mask).output
    # A bias of the keys adds one number to all scores of a token, which softmax forgets.
    assert (np.abs(one - two).max() > 1e-8) == (name != "key_bias")


def test_a_gate_two_scales_and_the_kind_of_norm_reach_their_places(tmp_path: Path) -> None:
    arrays = gated()
    found = read(tmp_path, arrays)
    wanted = read(tmp_path, scores()).block
    assert wanted.feed_forward is not None
    gate = {"weight_gate": arrays["ffn_gate"], "bias_gate": arrays["ffn_gate_bias"]}
    wanted = replace(
        wanted,
        feed_forward=replace(wanted.feed_forward, **gate),
        norm_1=replace(wanted.norm_1, kind="rms"),
        norm_2=replace(wanted.norm_2, kind="rms"),
        residual_attention=0.8,
        residual_ffn=1.3,
    )
    one = apply_block(found.block, found.tokens, mask=found.mask)
    two = apply_block(wanted, found.tokens, mask=found.mask)
    np.testing.assert_array_equal(one.output, two.output)


@pytest.mark.parametrize("name", ["ffn_gate_bias", "norm", "residual_attention", "residual_ffn"])
def test_what_a_gated_block_may_leave_out_matters(tmp_path: Path, name: str) -> None:
    arrays = gated()
    full = read(tmp_path, arrays)
    del arrays[name]
    less = read(tmp_path, arrays)
    one = apply_block(full.block, full.tokens, mask=full.mask).output
    two = apply_block(less.block, less.tokens, mask=less.mask).output
    assert np.abs(one - two).max() > 1e-8


def test_positions_reach_their_places(tmp_path: Path) -> None:
    arrays = placed()
    found = read(tmp_path, arrays)
    wanted = read(tmp_path, scores()).block
    positions = Positions(
        bias=arrays["score_bias"],
        frequencies=arrays["rotary"],
        layout="interleaved",
        window=2,
        soft_cap=1.5,
    )
    wanted = replace(wanted, attention=replace(wanted.attention, positions=positions))
    one = apply_block(found.block, found.tokens, mask=found.mask)
    two = apply_block(wanted, found.tokens, mask=found.mask)
    np.testing.assert_array_equal(one.output, two.output)


@pytest.mark.parametrize("name", sorted(placed().keys() - scores().keys()))
def test_what_scores_may_leave_out_matters(tmp_path: Path, name: str) -> None:
    arrays = placed()
    full = read(tmp_path, arrays)
    del arrays[name]
    if name == "rotary":
        with pytest.raises(InputError, match="rotary_layout is of no use without rotary"):
            read(tmp_path, arrays)
        del arrays["rotary_layout"]
    less = read(tmp_path, arrays)
    one = apply_block(full.block, full.tokens, mask=full.mask).output
    two = apply_block(less.block, less.tokens, mask=less.mask).output
    assert np.abs(one - two).max() > 1e-8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": np.asarray(0)}, "window must be positive, but is 0"),
        ({"window": np.asarray(1.5)}, "window must be a whole number of tokens, but is 1.5"),
        ({"soft_cap": np.asarray(-1.0)}, "soft_cap must be positive, but is -1"),
        ({"rotary_layout": np.asarray("odd")}, "rotary_layout must be one of half, interleaved"),
        ({"rotary": np.ones((2, 2))}, r"rotary must have shape \(pairs\), but has \(2, 2\)"),
        ({"rotary": np.asarray([np.nan])}, "rotary must be finite"),
        ({"score_bias": np.full((H, N, N), -np.inf)}, "score_bias must be finite"),
        ({"score_bias": np.ones((H, N + 1, N + 1))}, "score_bias must have shape"),
        ({"bias": np.ones((H, N, N))}, "bias is not an array that a block has; did you mean"),
    ],
)
def test_positions_that_make_no_sense_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, placed() | changes)


def test_weights_already_know_where_tokens_stand(tmp_path: Path) -> None:
    extra = {"soft_cap": np.asarray(1.0), "rotary": np.ones(1)}
    with pytest.raises(InputError, match="already is what rotary, soft_cap would give"):
        read(tmp_path, weights() | extra)


def test_a_file_may_hold_a_parallel_block(tmp_path: Path) -> None:
    arrays = gated() | {"placement": np.asarray("parallel")}
    with pytest.raises(InputError, match="residual_ffn must be left out"):
        read(tmp_path, arrays)
    del arrays["residual_ffn"]
    found = read(tmp_path, arrays)
    assert found.block.placement == "parallel"
    assert found.block.residual_scales == (0.8,)


def test_weights_that_are_no_shares_are_read_when_they_are_to_be_taken_as_given(
    tmp_path: Path,
) -> None:
    arrays = weights()
    signed = 2 * np.eye(N) - arrays["adjacency"]
    as_given = {"adjacency": signed, "attention": np.asarray("as given")}
    found = read(tmp_path, arrays | as_given)
    np.testing.assert_array_equal(found.adjacency, signed)


def test_what_is_left_out_is_plain(tmp_path: Path) -> None:
    arrays = weights()
    block, tokens, adjacency, mask = read(tmp_path, arrays)
    np.testing.assert_array_equal(tokens, arrays["tokens"])
    assert adjacency is not None
    np.testing.assert_allclose(adjacency, arrays["adjacency"], rtol=1e-15)
    assert mask is None
    assert vars(block.norm_1) == vars(block.norm_2) == vars(Norm())
    assert (block.placement, block.residual) == ("post", 1.0)
    assert block.feed_forward is not None
    assert block.feed_forward.activation == "relu"
    assert block.feed_forward.bias_in is None
    assert block.attention.bias is None


def test_weights_that_scores_give_may_be_given_instead(tmp_path: Path) -> None:
    arrays = scores()
    del arrays["placement"]
    first = read(tmp_path, arrays)
    shares = attention_adjacency(first.block.attention, first.tokens, mask=first.mask)
    given_them = {k: v for k, v in arrays.items() if "query" not in k and "key" not in k}
    del given_them["mask"]
    second = read(tmp_path, given_them | {"adjacency": shares})
    one = apply_block(first.block, first.tokens, mask=first.mask).output
    two = apply_block(second.block, second.tokens, adjacency=second.adjacency).output
    np.testing.assert_allclose(one, two, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_single_precision_becomes_double_and_its_rows_still_count(
    tmp_path: Path, save: Any
) -> None:
    arrays = {name: array.astype(np.float32) for name, array in weights().items()}
    save(tmp_path / "block.npz", **arrays)
    found = read_block(tmp_path / "block.npz")
    assert found.tokens.dtype == np.float64
    assert found.adjacency is not None
    assert found.adjacency.dtype == np.float64
    assert np.abs(found.adjacency.sum(axis=-1) - 1).max() <= 4e-16
    np.testing.assert_array_equal(found.tokens, arrays["tokens"].astype(np.float64))


@pytest.mark.parametrize("number", [1, np.float32(1), np.asarray([1.0]), np.asarray([[1]])])
def test_one_number_may_be_written_in_any_way(tmp_path: Path, number: Any) -> None:
    assert read(tmp_path, weights() | {"residual": number}).block.residual == 1.0


@pytest.mark.parametrize("bits", [8, 11])
def test_attention_that_was_once_in_half_precision_is_read_and_it_is_said(
    tmp_path: Path, bits: int
) -> None:
    arrays = weights()
    significand, exponent = np.frexp(arrays["adjacency"])
    once = np.ldexp(np.round(significand * 2.0**bits), exponent - bits)
    with pytest.warns(UserWarning, match="miss one by up to .* divided by its sum"):
        found = read(tmp_path, arrays | {"adjacency": once.astype(np.float32)})
    assert found.adjacency is not None
    np.testing.assert_allclose(found.adjacency, arrays["adjacency"], rtol=2.0 ** (1 - bits))
    np.testing.assert_allclose(found.adjacency.sum(axis=-1), 1, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_a_mask_of_zeros_and_ones_is_a_mask(tmp_path: Path, dtype: Any) -> None:
    arrays = scores()
    found = read(tmp_path, arrays | {"mask": arrays["mask"].astype(dtype)})
    np.testing.assert_array_equal(found.mask, arrays["mask"])
    assert found.mask is not None
    assert found.mask.dtype == np.bool_
    with pytest.raises(InputError, match=r"^mask must be boolean"):
        read(tmp_path, arrays | {"mask": 2 * arrays["mask"].astype(dtype)})
