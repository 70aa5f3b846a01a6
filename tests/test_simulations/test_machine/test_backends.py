"""Backends: what is moved keeps its shape, meaning and digits; what cannot be had is named."""

import sys
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from simulations.instruments.simulation import simulate
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import InputError, to_numpy
from theory.blocks.norms import Norm
from theory.blocks.weights import Block
from theory.statements.instances import leaves

SMALL = Stack(depth=4, tokens=6, width=12, heads=3, ffn_width=16, bias_std=0.1)


@pytest.fixture(params=["numpy", "torch"])
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@dataclass(frozen=True)
class Mixed:
    floats: Any
    singles: Any
    flags: Any
    counts: Any
    text: str
    number: float
    nothing: None
    inner: Norm


def test_a_dataclass_is_moved_with_all_that_it_holds(name: str) -> None:
    mixed = Mixed(
        floats=np.asarray([1.0, np.nan, np.inf, 5e-324]),
        singles=np.ones((2, 3), dtype=np.float32),
        flags=np.asarray([True, False]),
        counts=np.asarray([1, -2]),
        text="gelu",
        number=0.1,
        nothing=None,
        inner=Norm("rms", gain=np.full(3, 2.0), eps=1e-3),
    )
    on = backend(name)
    moved = on.move(mixed)
    assert isinstance(moved, Mixed)
    assert type(moved.floats) is type(on.xp.ones(1))
    np.testing.assert_array_equal(to_numpy(moved.floats), mixed.floats)
    assert moved.singles.dtype == on.xp.float64
    assert moved.flags.dtype == on.xp.bool
    assert moved.counts.dtype == on.xp.int64
    assert (moved.text, moved.number, moved.nothing) == ("gelu", 0.1, None)
    assert (moved.inner.kind, moved.inner.eps) == ("rms", 1e-3)
    assert type(moved.inner.gain) is type(on.xp.ones(1))


def test_a_block_keeps_its_structure_and_every_digit(name: str) -> None:
    block = random_block(0)
    on = backend(name)
    moved = on.move(block)
    assert type(moved) is Block
    pairs = list(zip(leaves(block), leaves(moved), strict=True))
    assert len(pairs) == 19  # 7 of attention, 4 of the feed-forward sublayer, 8 of the norms
    for host, there in pairs:
        assert there.dtype == on.xp.float64
        np.testing.assert_array_equal(to_numpy(there), host)
    assert moved.norm_1.eps == block.norm_1.eps
    assert moved.placement == block.placement


def test_the_original_is_not_touched(name: str) -> None:
    tokens = random_tokens(0, 3, 4)
    moved = backend(name).move(tokens)
    moved[0, 0] = 99.0
    assert tokens[0, 0] != 99.0
    mask = np.ones(3, dtype=bool)
    moved = backend(name).move(mask)
    moved[0] = False
    assert mask[0]
    norm = Norm(gain=np.ones(3))
    backend(name).move(norm)
    assert isinstance(norm.gain, np.ndarray)


def test_arrays_that_must_not_be_written_are_moved_without_a_warning(name: str) -> None:
    tokens = random_tokens(0, 3, 4)
    tokens.flags.writeable = False
    moved = backend(name).move(tokens)
    moved[0, 0] = 99.0
    assert tokens[0, 0] != 99.0


def test_single_precision_reaches_every_float_and_no_mask(name: str) -> None:
    on = backend(name, dtype="float32")
    assert all(part.dtype == on.xp.float32 for part in leaves(on.move(random_block(0))))
    assert on.move(np.ones(3, dtype=bool)).dtype == on.xp.bool
    assert on.move(random_tokens(0, 2)).dtype == on.xp.float32


def test_arrays_that_are_not_contiguous_are_moved_too(name: str) -> None:
    tokens = random_tokens(0, 4, 6)
    for view in (tokens.T, tokens[::-1], tokens[:, ::2], np.broadcast_to(tokens[:1], (3, 6))):
        np.testing.assert_array_equal(to_numpy(backend(name).move(view)), view)


def test_arrays_come_back_from_the_device(name: str) -> None:
    tokens = random_tokens(0, 4, 6)
    there = backend(name).move(tokens)
    np.testing.assert_array_equal(backend("numpy").move(there), tokens)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal", "low-rank", "identity", "bert"])
def test_all_backends_see_the_same_draws_bit_for_bit(weights: Any) -> None:
    pytest.importorskip("torch")
    stack = Stack(depth=2, tokens=4, width=8, heads=2, ffn_width=8, weights=weights, bias_std=1.0)
    torch, numpy = backend("torch"), backend("numpy")
    for block in draw_blocks(stack, seeds=range(2)):
        for one, two in zip(leaves(torch.move(block)), leaves(numpy.move(block)), strict=True):
            np.testing.assert_array_equal(to_numpy(one).view(np.int64), two.view(np.int64))
    tokens = draw_tokens(stack, seeds=range(2))
    np.testing.assert_array_equal(to_numpy(torch.move(tokens)), tokens)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("options", [{}, {"placement": "pre"}, {"norm": "rms"}, {"depth": 40}])
def test_torch_measures_what_numpy_measures(causal: bool, options: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    quiet = {"value_gain": 6.0, "weights": "identity", "tied": True}
    fields_ = {field.name: getattr(SMALL, field.name) for field in fields(SMALL)}
    stack = Stack(**fields_ | (quiet if "depth" in options else {}) | options)
    mask = np.tri(6, dtype=bool) if causal else None
    one = simulate(stack, seeds=2, mask=mask, on=backend("torch"))
    two = simulate(stack, seeds=2, mask=mask)
    assert one.tokens.keys() == two.tokens.keys()
    assert one.blocks.keys() == two.blocks.keys()
    for found, wanted in ((one.tokens, two.tokens), (one.blocks, two.blocks)):
        for measure, values in wanted.items():
            assert isinstance(found[measure], np.ndarray)
            if measure == "largest_token":
                continue  # of two alike, rounding chooses; their shares are compared
            np.testing.assert_allclose(
                found[measure], values, rtol=1e-9, atol=1e-10, err_msg=measure
            )
    if "depth" in options and not causal:
        assert one.tokens["log10_relative_distance"].max() > -1
        assert one.tokens["log10_relative_distance"].min() < -20


def test_single_precision_measures_about_the_same() -> None:
    one, two = simulate(SMALL, on=backend(dtype="float32")), simulate(SMALL)
    assert one.tokens["distance"].dtype == np.float32
    np.testing.assert_allclose(one.tokens["distance"], two.tokens["distance"], rtol=1e-3)
    np.testing.assert_allclose(one.blocks["v"], two.blocks["v"], rtol=1e-3)


# --- what cannot be had ----------------------------------------------------------------------


@pytest.mark.parametrize("unknown", ["jax", "", "NumPy", "tensorflow"])
def test_an_unknown_library_is_refused_with_the_known_ones(unknown: str) -> None:
    with pytest.raises(InputError, match=rf"backend must be one of numpy, torch.*'{unknown}'"):
        backend(unknown)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int64", "complex128", ""])
def test_another_dtype_is_refused(dtype: str) -> None:
    with pytest.raises(InputError, match=rf"dtype must be float32 or float64, but is '{dtype}'"):
        backend("numpy", dtype=dtype)


@pytest.mark.parametrize("missing", ["torch", "cupy"])
def test_a_library_that_is_not_installed_is_named_with_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [m for m in sys.modules if m.startswith(f"array_api_compat.{missing}")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)  # what Python takes for "not there"
    with pytest.raises(InputError, match=rf"'{missing}' is not installed: .*oversmooth\[{missing}"):
        backend(missing)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "gpu", "tpu"])
def test_numpy_has_no_device_but_the_cpu(device: str) -> None:
    assert backend("numpy", device="cpu").device is None
    with pytest.raises(InputError, match=rf"device must be cpu for numpy, but is '{device}'"):
        backend("numpy", device=device)


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "", "xpu:77"])
def test_a_device_that_torch_does_not_find_is_named(device: str) -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=rf"device.*'{device}'"):
        backend("torch", device=device)


def test_torch_takes_its_device_by_name() -> None:
    pytest.importorskip("torch")
    on = backend("torch", device="cpu")
    assert str(on.move(np.ones(1)).device) == "cpu"
