"""The page on your own model names every array of a block file, and its example is a true one."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from simulations import block_file
from theory.layers import apply_block

_ROOT = Path(__file__).parents[2]


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
    assert told == wanted | {"mask": "(n, n)", "activation": "text", "placement": "text"}


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_example_writes_what_pytorch_computes(
    tmp_path: Path, norm_first: bool, activation: str
) -> None:
    torch = pytest.importorskip("torch")
    block_arrays = runpy.run_path(str(_ROOT / "examples" / "torch_block.py"))["block_arrays"]
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(
        12, 3, 20, activation=activation, norm_first=norm_first, dtype=torch.float64
    ).eval()
    for parameter in layer.parameters():  # biases and gains are zeros and ones at the start
        torch.nn.init.normal_(parameter, std=0.5)
    tokens = torch.randn(7, 12, dtype=torch.float64)
    np.savez(tmp_path / "block.npz", **block_arrays(layer, tokens))
    found = block_file.read_block(tmp_path / "block.npz")
    wanted = layer(tokens).detach().numpy()
    np.testing.assert_allclose(apply_block(found.block, found.tokens).output, wanted, rtol=1e-11)
