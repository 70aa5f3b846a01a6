"""What is in a file of ONNX: which tensors, and which nodes use them?"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from numpy.typing import NDArray

from simulations.models.messages import quote, reason
from theory.arrays import InputError
from theory.records import brief_repr


class Node(NamedTuple):
    """A node of the graph: what it does, its place as names of modules, what it takes and gives."""

    kind: str
    place: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@brief_repr
@dataclass(frozen=True, eq=False)
class Graph:
    """The tensors of a file by name, constants among them, and its nodes."""

    file: str
    kept: dict[str, NDArray[Any]]
    nodes: tuple[Node, ...]

    def users(self, name: str, kind: str) -> list[Node]:
        """Return the nodes of a kind that take something."""
        return [node for node in self.nodes if node.kind == kind and name in node.inputs]

    def constant(self, node: Node) -> NDArray[Any] | None:
        """Return what a node takes that the file keeps, None unless that is one thing."""
        found = [self.kept[name] for name in node.inputs if name in self.kept]
        return found[0] if len(found) == 1 else None


def read_graph(path: Path) -> Graph:
    """Read a file; what lies outside it is not looked for.

    Raises: InputError if onnx is missing, or the file is truncated or corrupt
    """
    library, file = _library(), quote(path.name)
    to_array = library.numpy_helper.to_array
    try:
        # What lies outside the file could be any file of this machine.
        graph = library.load(path, load_external_data=False).graph
        kept = {each.name: to_array(each) for each in graph.initializer}
        kept |= {
            node.output[0]: to_array(node.attribute[0].t)
            for node in graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        nodes = tuple(
            Node(
                each.op_type,
                each.name.strip("/").replace("/", "."),
                tuple(each.input),
                tuple(each.output),
            )
            for each in graph.node
            if each.op_type != "Constant"
        )
    except Exception as error:  # protobuf raises classes of its own, NumPy others
        raise InputError(f"{file} is truncated or corrupt: {reason(error)}") from error
    return Graph(file, kept, nodes)


def _library() -> ModuleType:
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as error:
        raise InputError(
            "reading a model that was exported to ONNX needs the package onnx, which is not "
            "installed; run: pip install 'oversmooth[onnx]'"
        ) from error
    library: ModuleType = onnx
    return library
