"""Is a DINOv2 found in an ONNX file, whole and unchanged?"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.models.exported.read import read_exported
from simulations.models.families.vit import DINOV2
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.images import encode_images
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture
from theory.arrays import InputError

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

from simulations.models.architecture import ImageShape  # noqa: E402

SIZES: dict[str, Any] = {"width": 128, "heads": 2, "ffn": 64, "layers": 2, "vocabulary": 0}
MODEL = architecture(
    **SIZES,
    positions=26,
    token_types=0,
    placement="pre",
    image=ImageShape(size=70, patch=14, channels=3),
)
TENSORS = random_tensors(expected_shapes(DINOV2, MODEL))


def exported(tensors: dict[str, Any] = TENSORS, *, prefix: str = "backbone.") -> Any:
    """Return a graph that keeps weights as torch exports them."""
    kept: dict[str, Any] = {}
    nodes = []
    for name, tensor in tensors.items():
        if name == DINOV2.names.position:
            kept |= {"onnx::Concat_1": tensor[:, :1], "onnx::Reshape_2": tensor[:, 1:]}
        elif tensor.ndim == 2:
            number, place = f"onnx::MatMul_{len(kept)}", (prefix + name).removesuffix(".weight")
            kept[number] = np.ascontiguousarray(tensor.T)
            path = "/" + place.replace(".", "/").replace("layer/", "layer.") + "/MatMul"
            nodes.append(helper.make_node("MatMul", ["x", number], [path], name=path))
        else:
            kept[prefix + name] = tensor
    kept["decoder.bias"] = np.zeros(3, np.float32)
    made = [numpy_helper.from_array(tensor, name) for name, tensor in kept.items()]
    graph = helper.make_graph(nodes, "exported", [], [], initializer=made)
    return helper.make_model(graph)


def test_every_weight_finds_its_place(tmp_path: Path) -> None:
    path = tmp_path / "exported.onnx"
    onnx.save(exported(), path)
    found = load_checkpoint(path)
    assert found.architecture.layers == 2
    assert found.architecture.heads == 2
    block = found.blocks[1]
    scale = TENSORS["encoder.layer.1.layer_scale2.lambda1"]
    assert block.feed_forward is not None
    weight = TENSORS["encoder.layer.1.mlp.fc2.weight"]
    assert np.allclose(block.feed_forward.weight_out, (scale[:, None] * weight).T)
    query = block.attention.query
    assert query is not None
    wanted = TENSORS["encoder.layer.1.attention.attention.query.weight"]
    assert np.array_equal(query[1], wanted[64:].T)
    assert found.architecture.image is not None
    assert found.architecture.image.size == 224
    image = np.zeros((3, 224, 224))
    *_, last = run(found, encode_images(found, [image]))
    assert last.step.output.shape == (1, 257, 128)


@pytest.mark.parametrize("length", [0, 10, 1000, 100_000])
def test_a_truncated_file_is_refused_in_one_line(length: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(exported().SerializeToString()[:length])
    with pytest.raises(InputError, match=r"truncated or corrupt|must hold") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    without = {n: t for n, t in TENSORS.items() if "cls_token" not in n}
    onnx.save(exported(without), path)
    with pytest.raises(InputError, match="must hold one DINOv2 or one encoder of T5, but holds 0"):
        load_checkpoint(path)
    torn = TENSORS | {"encoder.layer.1.norm1.bias": np.zeros(3, np.float32)}
    onnx.save(exported(torn), path)
    with pytest.raises(InputError, match=r"norm1\.bias' must have shape \(128,\)"):
        read_exported(path, name="x", source="x", sha256="0")


def test_weights_outside_the_file_are_not_looked_for(tmp_path: Path) -> None:
    model = exported()
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path = tmp_path / "outside.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="truncated or corrupt"):
        load_checkpoint(path)
