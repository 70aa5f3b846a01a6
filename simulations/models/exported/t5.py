"""How is an encoder of T5 that was exported to ONNX read?

Its settings are in the graph: as the shape of a tensor, or as a number that some node takes.
"""

from dataclasses import replace
from math import exp
from pathlib import Path
from typing import Any, Final

from numpy.typing import DTypeLike, NDArray

from simulations.models.architecture import Architecture
from simulations.models.assemble import (
    build_blocks,
    build_embeddings,
    build_final_norm,
    require_tensors,
)
from simulations.models.checkpoint import Checkpoint
from simulations.models.exported.graph import Graph
from simulations.models.exported.weights import Quantised, numbers_of, weights_of
from simulations.models.families.family import StoredFamily
from simulations.models.families.t5 import T5
from simulations.models.messages import quote
from simulations.models.shapes import expected_shapes
from simulations.models.tokenizer.read import read_alone
from theory.arrays import InputError

MARK: Final = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"
"""What the graph of an encoder of T5 holds, and no other's."""
_CURVES: Final = {"Tanh": "gelu_tanh", "Erf": "gelu", "Relu": "relu"}
_FIRST: Final = "block.0.layer.0."


def read_t5(
    graph: Graph,
    prefix: str,
    *,
    path: Path,
    name: str,
    source: str,
    sha256: str,
    dtype: DTypeLike,
) -> Checkpoint:
    """Read an encoder of T5 from a graph, in which ``prefix`` stands before all its names.

    Of weights that are kept as whole numbers the tokens are multiplied by what they stand for;
    that the graph makes whole numbers of the tokens too, before each product, is left out.

    Raises: InputError if a weight is missing, of another shape, or left over, or the graph does
            not say a setting
    Source: raffel2020t5
    """
    found = weights_of(graph, prefix)
    family, words = _family(found), T5.names.word + T5.names.table
    tensors = {f"encoder.{inner}": weights for inner, weights in found.items()}
    if (table := tensors.pop("encoder.embed_tokens.weight", None)) is not None:
        tensors[words] = table
    model = _architecture(graph, prefix, found)
    shapes = {name: tuple(each.shape) for name, each in tensors.items()}
    require_tensors(graph.file, shapes, family, model)
    if strange := set(shapes) - set(expected_shapes(family, model)):
        raise InputError(
            f"{graph.file} has {len(strange)} tensors that no encoder of T5 has, the first "
            f"{quote(min(strange))}"
        )

    def read(name: str) -> NDArray[Any]:
        return numbers_of(tensors[name])

    table = tensors[words]
    return Checkpoint(
        name=name,
        source=source,
        weights_sha256=sha256,
        architecture=model,
        embeddings=build_embeddings(
            read,
            family,
            model,
            dtype=dtype,
            word=replace(table, dtype=dtype) if isinstance(table, Quantised) else None,
        ),
        blocks=build_blocks(read, family, model, dtype=dtype),
        tokenizer=read_alone(path.parent, pad="<pad>"),
        final_norm=build_final_norm(read, family, model, dtype=dtype),
        widened="INT8" if isinstance(table, Quantised) else None,
    )


def _family(found: dict[str, Any]) -> StoredFamily:
    gated = any(name.endswith("wi_0.weight") for name in found)
    names = T5.gated_names if gated else T5.names
    assert names is not None  # as T5 says
    return replace(T5, names=names)


def _architecture(graph: Graph, prefix: str, found: dict[str, Any]) -> Architecture:
    bias, query = found[MARK], found.get(f"{_FIRST}SelfAttention.q.weight")
    gated = "block.0.layer.1.DenseReluDense.wi_0.weight" in found
    hidden = found.get(f"block.0.layer.1.DenseReluDense.wi{'_1' * gated}.weight")
    words = found.get("embed_tokens.weight")
    known = [each for each in (bias, query, hidden, words) if each is not None]
    if query is None or hidden is None or words is None or any(len(x.shape) != 2 for x in known):
        raise InputError(f"{graph.file} must hold an encoder of T5, but lacks its first block")
    assert T5.default_positions is not None  # as T5 says
    (buckets, heads), (keys, width) = bias.shape, query.shape
    if not heads or keys % heads:
        raise InputError(f"{graph.file} is corrupt: {heads} heads do not fit {keys} features")
    layers = 1 + max(int(name.split(".")[1]) for name in found if name.startswith("block."))
    return Architecture(
        model_type="t5",
        layers=layers,
        width=width,
        heads=heads,
        ffn=hidden.shape[0],
        activation=_activation(graph, prefix),
        norm_eps=_eps(graph, prefix),
        vocabulary=words.shape[0],
        positions=T5.default_positions,
        token_types=0,
        embedding_width=width,
        groups=layers,
        placement=T5.placement,
        norm=T5.norm,
        gated=gated,
        head_width=keys // heads,
        biases=T5.biases,
        buckets=buckets,
        farthest=_farthest(graph, prefix, buckets),
    )


def _activation(graph: Graph, prefix: str) -> str:
    start = f"{prefix}block.0.layer.1.DenseReluDense."
    curves = {node.kind for node in graph.nodes if node.place.startswith(start)} & _CURVES.keys()
    if len(curves) != 1:
        raise _unsaid(graph, "its activation")
    return _CURVES[curves.pop()]


def _eps(graph: Graph, prefix: str) -> float:
    """Return what the first norm adds to the mean square."""
    start = f"{prefix}{_FIRST}layer_norm."
    for node in graph.nodes:
        if node.kind == "Add" and node.place.startswith(start):
            eps = graph.constant(node)
            if eps is not None and eps.size == 1:
                # Kept as float32, whose nearest number to 1e-6 is not 1e-6.
                return float(f"{float(eps.item()):.6g}")
    raise _unsaid(graph, "what its norms add to the mean square")


def _farthest(graph: Graph, prefix: str, buckets: int) -> int:
    """Return from which distance on positions share a bucket.

    Half of a side's buckets are for a distance each; the logarithms of larger ones, in units of
    those, are divided by that of the farthest.
    """
    logs = [n for n in graph.nodes if n.kind == "Log" and n.place.startswith(prefix + _FIRST)]
    for log in logs:
        for divided in graph.users(log.outputs[0], "Div"):
            if (whole := graph.constant(divided)) is not None and whole.size == 1:
                return round(buckets // 4 * exp(min(float(whole.item()), 20.0)))
    raise _unsaid(graph, "how far its relative positions reach")


def _unsaid(graph: Graph, what: str) -> InputError:
    return InputError(f"{graph.file} must say {what}, as transformers' export of a T5 does")
