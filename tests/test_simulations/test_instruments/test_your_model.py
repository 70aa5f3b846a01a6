"""The page on your own model names every array of a block file, and its example is a true one."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.instruments import block_file
from theory.arrays import InputError
from theory.blocks.forward import apply_block

_ROOT = Path(__file__).parents[3]


def test_the_page_has_every_array_with_its_shape() -> None:
    page = (_ROOT / "docs" / "your_model.md").read_text(encoding="utf-8")
    told: dict[str, str] = {}
    for names, shape in re.findall(r"^\| (`.*?`) \| (.*?) \|", page, re.MULTILINE):
        keys = re.findall(r"`(\w+)`", names)
        shapes = re.findall(r"\(.*?\)", shape) or [shape]
        told.update(zip(keys, shapes * (len(keys) // len(shapes)), strict=True))
    wanted = {
        name: f"({', '.join(axes)}{',' if len(axes) == 1 else ''})" if axes else "one number"
        for name, axes in block_file._AXES.items()
    }
    texts = ("activation", "placement", "norm", "attention", "rotary_layout")
    assert told == wanted | {"mask": "(n, n)"} | dict.fromkeys(texts, "text")


def _example() -> Any:
    return runpy.run_path(str(_ROOT / "examples" / "torch_block.py"))["block_arrays"]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "SiLU"])
def test_the_example_writes_what_pytorch_computes(
    tmp_path: Path, norm_first: bool, activation: str, bias: bool
) -> None:
    torch = pytest.importorskip("torch")
    modules = {"gelu_tanh": torch.nn.GELU("tanh"), "SiLU": torch.nn.SiLU()}
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(
        12, 3, 20, activation=modules.get(activation, activation), norm_first=norm_first,
        bias=bias, dtype=torch.float64,
    ).eval()  # fmt: skip
    for parameter in layer.parameters():  # biases and gains are zeros and ones at the start
        torch.nn.init.normal_(parameter, std=0.5)
    tokens = torch.randn(7, 12, dtype=torch.float64)
    np.savez(tmp_path / "block.npz", **_example()(layer, tokens))
    found = block_file.read_block(tmp_path / "block.npz")
    wanted = layer(tokens).detach().numpy()
    given = apply_block(found.block, found.tokens).output
    np.testing.assert_allclose(given, wanted, rtol=1e-11, atol=1e-12)


def test_the_example_refuses_a_layer_that_the_file_cannot_say() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.TransformerEncoderLayer(12, 3, 20)
    layer.norm2.eps = 0.1
    with pytest.raises(ValueError, match="both norms must have one eps"):
        _example()(layer, torch.zeros(2, 12))
    layer = torch.nn.TransformerEncoderLayer(12, 3, 20, activation=lambda x: x)
    with pytest.raises(ValueError, match="activation must be relu, gelu, silu or tanh"):
        _example()(layer, torch.zeros(2, 12))
    layer.self_attn = torch.nn.MultiheadAttention(12, 3, add_zero_attn=True)
    with pytest.raises(ValueError, match="no add_zero_attn"):
        _example()(layer, torch.zeros(2, 12))


@pytest.mark.parametrize(
    "arrays", [{"attentions": np.ones((1, 2, 2))}, {"tokens": np.ones((2, 2))}]
)
def test_a_file_of_less_than_a_block_is_answered_with_what_takes_it(
    tmp_path: Path, arrays: Any
) -> None:
    np.savez(tmp_path / "block.npz", **arrays)
    with pytest.raises(InputError, match=r"trace_captured, .* oversmooth\.check"):
        block_file.read_block(tmp_path / "block.npz")
