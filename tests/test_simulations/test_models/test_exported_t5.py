"""Is an encoder of T5 found in an ONNX file, and do its whole numbers stand for what it says?"""

import warnings
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulations.models.catalogue import KNOWN
from simulations.models.checkpoint import embeddings_of
from simulations.models.find import find_place, is_installed, load_checkpoint
from simulations.models.forward import run
from simulations.models.tokens import encode
from theory.arrays import InputError
from theory.blocks.norms import apply_norm

pytest.importorskip("tokenizers")
onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

LAYERS, WIDTH, HEADS, KEYS, FFN, WORDS, BUCKETS = 2, 12, 3, 15, 20, 11, 8
ATTENTION, FEED = "layer.0.SelfAttention.", "layer.1.DenseReluDense."
MATRICES = {
    **{f"{ATTENTION}{name}": (KEYS, WIDTH) for name in "qkv"},
    f"{ATTENTION}o": (WIDTH, KEYS),
    f"{FEED}wi_0": (FFN, WIDTH),
    f"{FEED}wi_1": (FFN, WIDTH),
    f"{FEED}wo": (WIDTH, FFN),
}
NORMS = ("layer.0.layer_norm.weight", "layer.1.layer_norm.weight")


class Exported:
    """A graph that keeps weights as whole numbers, and what each of them stands for."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.kept: dict[str, NDArray[Any]] = {}
        self.stand_for: dict[str, NDArray[Any]] = {}
        self.nodes: list[Any] = []
        for layer in range(LAYERS):
            start = f"enc.block.{layer}."
            for name, shape in MATRICES.items():
                self.matrix(start + name, shape)
            for name in NORMS:
                self.kept[start + name] = self.rng.standard_normal(WIDTH).astype(np.float32)
        self.kept["enc.final_layer_norm.weight"] = np.ones(WIDTH, np.float32)
        self.table("enc.embed_tokens.weight", (WORDS, WIDTH))
        self.table(f"enc.block.0.{ATTENTION}relative_attention_bias.weight", (BUCKETS, HEADS))
        self.kept |= {
            "eps": np.asarray(1e-6, np.float32),
            "whole": np.asarray(log(64 / (BUCKETS // 4)), np.float32),
        }
        self.node("Add", ["mean", "eps"], "/enc/block.0/layer.0/layer_norm/Add")
        self.node("Log", ["far"], "/enc/block.0/layer.0/SelfAttention/Log")
        div = "/enc/block.0/layer.0/SelfAttention/Div"
        self.node("Div", ["/enc/block.0/layer.0/SelfAttention/Log", "whole"], div)
        self.node("Tanh", ["inner"], "/enc/block.0/layer.1/DenseReluDense/act/Tanh")

    def node(self, kind: str, inputs: list[str], name: str) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name))

    def codes(self, name: str, shape: tuple[int, ...], kind: Any, zero: int) -> NDArray[Any]:
        found = self.rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, shape, kind)
        self.kept[f"{name}_quantized"] = found
        self.kept[f"{name}_zero_point"] = np.array(zero, kind)
        self.kept[f"{name}_scale"] = np.array(0.1 / 3, np.float32)
        return found

    def matrix(self, place: str, shape: tuple[int, int]) -> None:
        number, path = f"onnx::MatMul_{len(self.kept)}", f"/{place.replace('.', '/')}"
        for part in ("block", "layer"):
            path = path.replace(f"{part}/", f"{part}.")
        codes = self.codes(number, shape[::-1], np.int8, 3)
        self.stand_for[place] = (codes.T.astype(float) - 3) * float(self.kept[f"{number}_scale"])
        inputs = ["x", f"{number}_quantized", "x_zero", f"{number}_zero_point"]
        self.node("MatMulInteger", inputs, f"{path}/MatMul_quant")
        self.node("Cast", [f"{path}/MatMul_quant"], f"{path}/cast")
        self.node("Mul", ["x_scale", f"{number}_scale"], f"{path}/scales")
        self.node("Mul", [f"{path}/cast", f"{path}/scales"], f"{path}/MatMul")

    def table(self, name: str, shape: tuple[int, int]) -> None:
        codes = self.codes(name, shape, np.uint8, 130)
        self.stand_for[name] = (codes.astype(np.float32) - 130) * self.kept[f"{name}_scale"]
        self.node("Gather", [f"{name}_quantized", "numbers"], f"{name}/rows")
        self.node("Transpose", [f"{name}/rows"], f"{name}/turned")
        inputs = [f"{name}/turned", f"{name}_scale", f"{name}_zero_point"]
        self.node("DequantizeLinear", inputs, f"{name}/numbers")

    def write(self, folder: Path) -> Path:
        made = [numpy_helper.from_array(tensor, name) for name, tensor in self.kept.items()]
        graph = helper.make_graph(self.nodes, "exported", [], [], initializer=made)
        (folder / "encoder.onnx").write_bytes(helper.make_model(graph).SerializeToString())
        write_words(folder)
        return folder / "encoder.onnx"


def write_words(folder: Path) -> None:
    """Write a tokenizer.json with nothing beside it."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ("<pad>", "</s>", "<unk>", "a", "graph", "of", "tokens")
    engine = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    engine.save(str(folder / "tokenizer.json"))


def test_every_weight_is_what_its_whole_number_stands_for(tmp_path: Path) -> None:
    made = Exported()
    found = load_checkpoint(made.write(tmp_path))
    model = found.architecture
    assert (model.layers, model.width, model.heads, model.head_width) == (LAYERS, WIDTH, HEADS, 5)
    assert (model.buckets, model.farthest, model.norm_eps) == (BUCKETS, 64, 1e-6)
    assert (model.activation, model.gated, found.widened) == ("gelu_tanh", True, "INT8")
    table = made.stand_for["enc.embed_tokens.weight"]
    np.testing.assert_array_equal(embeddings_of(found).word[np.arange(WORDS)], table)
    for layer, block in enumerate(found.blocks):
        start = f"enc.block.{layer}."
        assert block.feed_forward is not None
        wanted = made.stand_for[f"{start}{FEED}wi_1"]
        np.testing.assert_array_equal(block.feed_forward.weight_in, wanted.T)
        values = made.stand_for[f"{start}{ATTENTION}v"].reshape(HEADS, -1, WIDTH)
        np.testing.assert_array_equal(block.attention.value, np.moveaxis(values, 1, 2))
    assert run(found, encode(found, ["a graph of tokens"])) is not None


def test_floats_are_read_as_they_are(tmp_path: Path) -> None:
    made = Exported()
    found = made.stand_for[f"enc.block.1.{FEED}wo"].astype(np.float32)
    made.kept["onnx::MatMul_plain"] = np.ascontiguousarray(found.T)
    made.nodes = [n for n in made.nodes if "/enc/block.1/layer.1/DenseReluDense/wo" not in n.name]
    path = "/enc/block.1/layer.1/DenseReluDense/wo/MatMul"
    made.node("MatMul", ["x", "onnx::MatMul_plain"], path)
    feed = load_checkpoint(made.write(tmp_path)).blocks[1].feed_forward
    assert feed is not None
    np.testing.assert_array_equal(feed.weight_out, found.T)


def _many_scales(made: Exported) -> None:
    name = next(name for name in made.kept if name.endswith("_scale"))
    made.kept[name] = np.full(KEYS, 0.1, np.float32)


def _no_zero(made: Exported) -> None:
    name = next(name for name in made.kept if name.endswith("_zero_point"))
    del made.kept[name]


def _no_curve(made: Exported) -> None:
    made.nodes.pop()


def _not_scaled(made: Exported) -> None:
    made.nodes = [node for node in made.nodes if node.op_type != "DequantizeLinear"]


def _torn(made: Exported) -> None:
    made.kept["enc.final_layer_norm.weight"] = np.ones(3, np.float32)


def _left_over(made: Exported) -> None:
    made.kept["enc.block.0.layer.1.EncDecAttention.q.weight"] = np.ones((3, 3), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_many_scales, "must have one scale and one zero point"),
        (_no_zero, "must have one scale and one zero point"),
        (_no_curve, "must say its activation"),
        (_not_scaled, "nothing says what 'enc.embed_tokens.weight_quantized' stands for"),
        (_torn, "final_layer_norm.weight' must have shape"),
        (_left_over, "that no encoder of T5 has, the first .*EncDecAttention"),
    ],
)
def test_what_is_not_read_here_is_refused(
    change: Callable[[Exported], None], message: str, tmp_path: Path
) -> None:
    made = Exported()
    change(made)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(made.write(tmp_path))
    assert "\n" not in str(caught.value)


def test_without_words_it_is_refused(tmp_path: Path) -> None:
    path = Exported().write(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer\.json, which splits texts"):
        load_checkpoint(path)


@pytest.mark.slow
def test_the_named_model_gives_what_its_own_graph_gives_without_whole_tokens() -> None:
    if not is_installed(KNOWN["t5-encoder"]):
        pytest.skip("t5-encoder is not installed")
    from onnx.reference import ReferenceEvaluator

    checkpoint = load_checkpoint("t5-encoder")
    encoded = encode(checkpoint, ["A walk along the harbour is never quiet.", "Snow again."])
    *_, last = run(checkpoint, encoded)
    assert checkpoint.final_norm is not None
    ours = apply_norm(checkpoint.final_norm, last.step.output)[encoded.token_mask]
    model = onnx.load(find_place("t5-encoder").path)
    model.opset_import[0].version = 19  # the reference knows no DequantizeLinear of 18
    feed = {
        "input_ids": encoded.ids.astype(np.int64),
        "attention_mask": encoded.token_mask.astype(np.int64),
    }
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # log 0, of the same position
        warnings.simplefilter("ignore")
        whole = ReferenceEvaluator(model).run(None, feed)[0][encoded.token_mask]
        _keep_tokens_in_float(model.graph)
        plain = ReferenceEvaluator(model).run(None, feed)[0][encoded.token_mask]
    size = np.abs(ours).max()
    assert np.abs(plain - ours).max() < 1e-5 * size
    assert np.abs(whole - ours).max() > 1e-2 * size, "8 bits for the tokens are another model"


def _keep_tokens_in_float(graph: Any) -> None:
    """Let the graph multiply by the same weights without making whole numbers of the tokens."""
    kept = {each.name: each for each in graph.initializer}
    graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    nodes = []
    for node in graph.node:
        if node.op_type == "DynamicQuantizeLinear":
            nodes.append(helper.make_node("Identity", [node.input[0]], [node.output[0]]))
            nodes.append(helper.make_node("Identity", ["one"], [node.output[1]]))
        elif node.op_type == "MatMulInteger":
            codes, zero = (numpy_helper.to_array(kept[node.input[i]]) for i in (1, 3))
            steps = codes.astype(np.float32) - zero.astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(steps, f"{node.input[1]}_steps"))
            inputs = [node.input[0], f"{node.input[1]}_steps"]
            nodes.append(helper.make_node("MatMul", inputs, [node.output[0]]))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
