"""Which weights are in a graph of ONNX, and what do quantised ones stand for?

Exported files keep most weights under their names. Matrices get numbers, and are known by the nodes
that use them. Quantised ones are kept as whole numbers, with a scale and a zero point.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.models.exported.graph import Graph, Node
from simulations.models.messages import quote
from theory.arrays import InputError
from theory.records import brief_repr

_MATRIX: Final = re.compile(r"\.MatMul(_quant)?$")
_QUANTISED: Final = "_quantized"
_MOVES: Final = ("Transpose", "Unsqueeze", "Squeeze", "Reshape", "Identity")


@brief_repr
@dataclass(frozen=True, eq=False)
class Quantised:
    """Weights as whole numbers: each stands for (code - zero) * scale.

    ``rounded``: the graph makes float32 of them before it uses them (DequantizeLinear);
    MatMulInteger multiplies with the whole numbers, and scales what comes out. Asked for rows, it
    gives those alone.
    """

    codes: NDArray[Any]
    scale: NDArray[np.float32]
    zero: NDArray[Any]
    rounded: bool
    dtype: DTypeLike = np.float64

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the weights."""
        return self.codes.shape

    def __getitem__(self, numbers: Any, /) -> NDArray[Any]:
        """Return rows: integers (*b,) -> (*b, width)."""
        made = np.float32 if self.rounded else np.float64  # whole numbers are exact in both
        steps = self.codes[numbers].astype(made) - self.zero.astype(made)
        rows: NDArray[Any] = (steps * self.scale.astype(made)).astype(self.dtype)
        return rows


def weights_of(graph: Graph, prefix: str) -> dict[str, NDArray[Any] | Quantised]:
    """Return the weights below a module, under the names that they have in it.

    Matrices are (out, in), as torch keeps them.

    Raises: InputError if weights are quantised in another way than is read here
    """
    found: dict[str, NDArray[Any] | Quantised] = {}
    quantised = _dequantised(graph)
    for name, tensor in graph.kept.items():
        inner = name.removeprefix(prefix)
        if name.startswith(prefix) and inner.endswith(_QUANTISED):
            if name not in quantised:
                raise InputError(f"{graph.file}: nothing says what {quote(name)} stands for")
            found[inner.removesuffix(_QUANTISED)] = quantised[name]
        elif name.startswith(prefix) and not name.endswith(("_scale", "_zero_point")):
            found[inner] = tensor
    for place, matrix in _matrices(graph):
        if place.startswith(prefix):
            found[place.removeprefix(prefix) + ".weight"] = matrix
    return found


def numbers_of(weights: NDArray[Any] | Quantised) -> NDArray[Any]:
    """Return weights as an array, whole numbers replaced by what they stand for."""
    return weights[:] if isinstance(weights, Quantised) else weights


def _matrices(graph: Graph) -> Iterator[tuple[str, NDArray[Any] | Quantised]]:
    """Yield by place the matrices that tokens are multiplied by, (out, in)."""
    for node in graph.nodes:
        if len(node.inputs) < 2 or node.inputs[1] not in graph.kept:
            continue
        place, matrix = _MATRIX.sub("", node.place), graph.kept[node.inputs[1]]
        if node.kind == "MatMul":
            yield place, matrix.T
        elif node.kind == "MatMulInteger":
            zero = graph.kept.get(node.inputs[3]) if len(node.inputs) > 3 else np.zeros((), np.int8)
            scale = _scale_of(graph, node)
            if zero is None or scale is None or not _is_one(scale) or not _is_one(zero):
                raise _odd(graph, place)
            yield place, Quantised(matrix.T, scale.reshape(()), zero.reshape(()), rounded=False)


def _scale_of(graph: Graph, node: Node) -> NDArray[Any] | None:
    """Return by what the product of whole numbers is multiplied, beside the scale of the tokens.

    It goes through a Cast and a Mul, whose other factor is a Mul of both scales.
    """
    products = [
        product
        for cast in graph.users(node.outputs[0], "Cast")
        for product in graph.users(cast.outputs[0], "Mul")
    ]
    taken = {name for product in products for name in product.inputs}
    scales = [each for each in graph.nodes if each.kind == "Mul" and each.outputs[0] in taken]
    return graph.constant(scales[0]) if len(products) == 1 and len(scales) == 1 else None


def _dequantised(graph: Graph) -> dict[str, Quantised]:
    """Return the tables that DequantizeLinear makes numbers of, after rows were gathered."""
    made: dict[str, Node] = {node.inputs[0]: node for node in graph.nodes if _is_last_step(node)}
    found = {}
    for node in graph.nodes:
        if node.kind != "Gather" or node.inputs[0] not in graph.kept:
            continue
        last = _followed(graph, node.outputs[0], made)
        if last is None:
            continue
        scale, zero = (graph.kept.get(name) for name in last.inputs[1:])
        if scale is None or zero is None or not _is_one(scale) or not _is_one(zero):
            raise _odd(graph, node.place)
        codes = graph.kept[node.inputs[0]]
        found[node.inputs[0]] = Quantised(codes, scale.reshape(()), zero.reshape(()), rounded=True)
    return found


def _is_last_step(node: Node) -> bool:
    return node.kind == "DequantizeLinear" and len(node.inputs) == 3


def _followed(graph: Graph, name: str, made: dict[str, Node]) -> Node | None:
    """Return the DequantizeLinear that something comes to, only being moved about before."""
    moves = defaultdict(list)
    for node in graph.nodes:
        if node.kind in _MOVES:
            moves[node.inputs[0]].append(node.outputs[0])
    while name not in made:
        if len(moves[name]) != 1:
            return None
        (name,) = moves[name]
    return made[name]


def _is_one(number: NDArray[Any]) -> bool:
    return number.size == 1


def _odd(graph: Graph, place: str) -> InputError:
    return InputError(
        f"{graph.file}: the weights of {quote(place)} must have one scale and one zero point"
    )
