"""Are torch's own encoder and a module of one's own read, however they compute attention?"""

import dataclasses
from typing import Any

import numpy as np
import pytest

from simulations.capture.trace import read_model, trace_model
from simulations.instruments.check import check_block
from simulations.instruments.trace import Trace
from tests.test_simulations.test_capture.helpers.own import OWN, network
from tests.test_simulations.test_capture.helpers.tiny import Module, encoder, tokens, unsettle
from theory.blocks.forward import apply_block

torch = pytest.importorskip("torch")


def assert_alike(found: Trace, wanted: Trace, rtol: float = 1e-5) -> None:
    """Compare what is read; how far rounding goes depends on what else is in the batch."""
    loose = {"rounding", "v_error", "v_lower", "v_upper", "reconstruction_error"}
    for group in ("tokens", "blocks"):
        one, other = getattr(found, group), getattr(wanted, group)
        assert one.keys() == other.keys()
        for name in one.keys() - loose:
            np.testing.assert_allclose(one[name], other[name], rtol, 1e-9, err_msg=name)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_torchs_own_encoder_is_read(norm_first: bool, batch_first: bool) -> None:
    model = encoder(norm_first=norm_first, batch_first=batch_first, activation="gelu")
    x = tokens(3, 7, 16)
    given = x if batch_first else x.transpose(0, 1)
    trace = trace_model(model, given)
    assert trace.tokens["distance"].shape == (3, 3)
    assert (trace.blocks["reconstruction_error"] < 1e-6).all()
    assert set(trace.inequality.ravel()) == {"holds"}  # type: ignore[union-attr]
    with torch.no_grad():
        out = model(given) if batch_first else model(given).transpose(0, 1)
    last = read_model(model, given)[-1]
    assert last.block is not None
    assert last.block.placement == ("pre" if norm_first else "post")
    np.testing.assert_allclose(last.output, out.numpy(), rtol=1e-4, atol=1e-5)


def test_tokens_without_a_batch_are_a_batch_of_one() -> None:
    model, x = encoder(batch_first=True), tokens(7, 16)
    assert_alike(trace_model(model, x), trace_model(model, x[None]))


def test_a_mask_of_torchs_encoder_is_in_its_attention() -> None:
    ahead = torch.nn.Transformer.generate_square_subsequent_mask(7)
    inputs = {"src": tokens(2, 7, 16), "mask": ahead, "is_causal": True}
    first = read_model(encoder(batch_first=True), inputs)[0]
    assert first.adjacency is not None
    assert np.array_equal(first.adjacency, np.tril(first.adjacency))


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_module_of_ones_own_is_read(by_hand: bool) -> None:
    model, x = network(by_hand=by_hand), tokens(2, 7, 16)
    trace = trace_model(model, x, family=OWN)
    assert set(trace.inequality.ravel()) == {"holds"}  # type: ignore[union-attr]
    for reading in read_model(model, x, family=OWN):
        block, sublayer = reading.block, reading.block.feed_forward  # type: ignore[union-attr]
        assert block is not None
        assert sublayer is not None
        assert (block.placement, block.norm_1.kind, block.norm_2.kind) == ("pre", "layer", "rms")
        assert (sublayer.activation, sublayer.gated) == ("silu", False)
        np.testing.assert_allclose(block.residual_scales, (0.9, 1.1), rtol=1e-5)
        report = check_block(block, reading.tokens[0], adjacency=reading.adjacency[0])  # type: ignore[index]
        assert report.verdict == "holds"


def test_the_two_ways_to_compute_attention_read_the_same() -> None:
    x = tokens(2, 7, 16)
    fused, by_hand = (trace_model(network(by_hand=hand), x, family=OWN) for hand in (False, True))
    assert_alike(fused, by_hand)


def test_blocks_that_are_one_module_are_read_at_every_call() -> None:
    one = network().blocks[0]
    trace = trace_model(network(blocks=[one, one, one]), tokens(2, 7, 16), family=OWN)
    assert trace.depth == 3
    assert len(set(trace.blocks["s"][:, 0])) == 1
    assert len(set(trace.blocks["lambda"][:, 0])) == 3


def test_some_inputs_at_a_time_read_the_same() -> None:
    model, x = network(), tokens(5, 7, 16)
    assert_alike(trace_model(model, x, family=OWN, at_once=2), trace_model(model, x, family=OWN))


class Signed(Module):  # type: ignore[misc]
    """Attention that sharpens: rows sum to one, and entries may be negative."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (torch.nn.Linear(16, 16) for _ in range(4))

    def forward(self, x: Any) -> tuple[Any, Any]:
        weights = (self.query(x) @ self.key(x).mT / 4).softmax(-1)
        mean = 1 / x.shape[1]
        weights = mean + 3 * (weights - mean)
        return self.out(weights @ self.value(x)), weights[:, None]


class SignedBlock(Module):  # type: ignore[misc]
    """Post-LN around signed attention alone."""

    def __init__(self) -> None:
        super().__init__()
        self.attend, self.norm = Signed(), torch.nn.LayerNorm(16)

    def forward(self, x: Any) -> Any:
        return self.norm(x + self.attend(x)[0])


def test_weights_that_the_module_returns_are_taken_where_its_softmax_is_not_all() -> None:
    family = dataclasses.replace(OWN, attention="attend", value="attend.value", output="attend.out")
    family = dataclasses.replace(family, up=None, down=None, norms=("norm",))
    model = unsettle(network(blocks=[SignedBlock(), SignedBlock()]))
    x = tokens(2, 7, 16) * 3
    first = read_model(model, x, family=family)[0]
    assert first.adjacency is not None
    assert first.adjacency.min() < 0
    np.testing.assert_allclose(first.adjacency.sum(axis=-1), 1, rtol=1e-12)
    trace = trace_model(model, x, family=family)
    assert set(trace.inequality.ravel()) == {"holds"}  # type: ignore[union-attr]
    assert "attention_entropy" not in trace.blocks
    quick = trace_model(model, x, family=family, weights=False)
    np.testing.assert_array_equal(quick.blocks["lambda"], trace.blocks["lambda"])


def test_without_weights_tokens_and_attention_are_the_same_and_there_is_no_v() -> None:
    model, x = network(), tokens(2, 7, 16)
    quick, whole = (trace_model(model, x, family=OWN, weights=each) for each in (False, True))
    for name in ("lambda", "measured_ratio", "attention_entropy"):
        np.testing.assert_allclose(quick.blocks[name], whole.blocks[name], rtol=1e-5)
    assert np.isnan(quick.blocks["v"]).all()
    assert all("weights are not read" in reason for reason in quick.reasons)


@pytest.mark.parametrize("how", ["whole", "blocks", "in place"])
def test_a_compiled_model_is_read_as_the_model_that_it_is(how: str) -> None:
    model, x = network(), tokens(2, 7, 16)
    wanted = trace_model(model, x, family=OWN)
    if how == "whole":
        model = torch.compile(model, backend="eager")
    elif how == "blocks":
        model.blocks[1] = torch.compile(model.blocks[1], backend="eager")
    else:
        model.blocks[0].compile(backend="eager")
    assert_alike(trace_model(model, x, family=OWN), wanted)


def test_a_reading_computes_what_the_model_does() -> None:
    model, x = network().double(), tokens(2, 7, 16).double()
    for reading in read_model(model, x, family=OWN):
        assert reading.block is not None
        step = apply_block(reading.block, reading.tokens, adjacency=reading.adjacency)
        np.testing.assert_allclose(step.output, reading.output, rtol=1e-9, atol=1e-12)
        assert max(reading.errors.values()) < 1e-13
