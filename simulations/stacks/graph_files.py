"""Which graph does a file hold, as a mask or as attention weights?"""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from simulations.machine.formats import FormatError, is_array_name, read_array, read_bytes
from simulations.stacks.graph_texts import Written, read_edges, read_matrix, tell_apart
from theory.arrays import Array, InputError, require_mask

if TYPE_CHECKING:
    import networkx as nx

GraphFormat: TypeAlias = Literal["adjacency", "edges", "graphml", "gml", "npy"]
FORMATS: tuple[GraphFormat, ...] = get_args(GraphFormat)
"""A matrix as text or CSV; a line an edge, as text or CSV; two formats of networkx; NumPy's."""

_BY_SUFFIX: Final[dict[str, GraphFormat]] = {
    ".npy": "npy",
    ".graphml": "graphml",
    ".gml": "gml",
    ".edgelist": "edges",
    ".edges": "edges",
    ".adjacency": "adjacency",
}
SUFFIXES: Final = (*_BY_SUFFIX, ".txt", ".csv", ".tsv")
"""How the name of a file with a graph may end; of the last three the content says what it is."""

_MOST_NODES: Final = 20_000  # their matrix takes 3 GB


def read_mask(path: Path, n: int) -> Array:
    """Return the boolean (n, n) mask of a .npy file.

    Raises: InputError if it cannot be read, or holds no mask for n tokens
    """
    name = f"mask file {path.name!r}"

    def fits(shape: tuple[int, ...], _: np.dtype[Any]) -> None:
        if shape != (n, n):
            raise InputError(f"{name} must hold shape ({n}, {n}), but holds {shape}")

    try:
        mask = read_array(path, name="it", require=fits)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    except FormatError as error:
        raise InputError(f"{name} cannot be read as a .npy array: {error}") from error
    require_mask(name, mask, n, n)
    return mask


def read_written(path: Path, form: GraphFormat | None, *, directed: bool) -> Written:
    """Return what a file says of a graph; ``form`` None is for its suffix or its content to say.

    Raises: InputError if it cannot be read, is not of that format, or could be of two
    """
    if form is None:
        form = _BY_SUFFIX.get(path.suffix.lower())
    elif form not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, but is {form!r}")
    name = f"graph file {str(path)!r}"
    try:
        if form == "npy":
            return Written("a .npy matrix", matrix=_matrix(path, name))
        content = read_bytes(path, name=name)
        if form == "graphml":
            return Written("GraphML", graph=_parse(_graphml, content))
        if form == "gml":
            return Written("GML", graph=_parse(_gml, content))
        text = content.decode("utf-8-sig")
        if form is None:
            form = tell_apart(text)
        return read_matrix(text) if form == "adjacency" else read_edges(text, directed=directed)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        hint = "; a .npy file has that suffix" if not is_array_name(path) else ""
        raise InputError(
            f"{name} cannot be read: it must be UTF-8, but byte {error.start} is not{hint}"
        ) from None
    except FormatError as error:
        raise InputError(f"{name} cannot be read: {error}") from None


def require_few(name: str, nodes: int) -> None:
    """Raise InputError if a graph has too many nodes for its matrix."""
    if nodes > _MOST_NODES:
        raise InputError(f"{name} must have at most {_MOST_NODES:,} nodes, but has {nodes:,}")


def _matrix(path: Path, name: str) -> NDArray[np.float64]:
    def fits(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if dtype.kind not in "biuf" or len(shape) != 2 or 0 in shape:
            raise InputError(
                f"{name} must hold a matrix of numbers, but holds shape {shape} and dtype {dtype}"
            )
        require_few(name, max(shape))

    return read_array(path, name="it", require=fits).astype(np.float64)


def _parse(parser: Callable[[bytes], "nx.Graph[Any]"], content: bytes) -> "nx.Graph[Any]":
    """Parse with networkx, whose parsers raise whatever a broken file leads them to."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parser(content)
    except Exception as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(f"networkx says: {told:.200}") from error


def _graphml(content: bytes) -> "nx.Graph[Any]":
    import networkx as nx

    found: nx.Graph[Any] = nx.read_graphml(io.BytesIO(content))
    return found


def _gml(content: bytes) -> "nx.Graph[Any]":
    import networkx as nx

    text = content.decode("utf-8-sig")
    # Without labels the numbers are the nodes' names.
    label = "label" if "label" in text else "id"
    found: nx.Graph[Any] = nx.parse_gml(text, label=label)
    return found
