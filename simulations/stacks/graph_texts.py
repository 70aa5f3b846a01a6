"""Is a text a matrix or a list of edges, and what does it say?

Lines hold cells, with spaces, tabs or commas between them; what follows a # is a remark. A matrix
has as many lines as each has cells. A list of edges has a line an edge: two nodes, and perhaps a
weight or, as networkx writes it, a dictionary. Some texts could be both: nobody guesses which.
"""

import ast
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulations.machine.formats import FormatError

if TYPE_CHECKING:
    import networkx as nx

_FROM, _TO = {"source", "from", "u", "node1"}, {"target", "to", "v", "node2"}


@dataclass(frozen=True, eq=False)
class Written:
    """What was written: a matrix, or a graph of networkx; and the format, in words."""

    form: str
    matrix: NDArray[np.float64] | None = None
    graph: "nx.Graph[Any] | None" = None


@dataclass(frozen=True)
class _Line:
    """One line: its number, its cells, and the dictionary at its end, if there is one."""

    number: int
    cells: tuple[str, ...]
    more: str | None = None


def tell_apart(text: str) -> Literal["adjacency", "edges"]:
    """Say which of the two a text is.

    Raises: FormatError if it could be both, or has an empty cell
    """
    lines = _lines(text)
    square = all(len(line.cells) == len(lines) and line.more is None for line in lines)
    edges = _could_be_edges(lines)
    if square and edges:
        raise FormatError(
            f"it could be a matrix of {len(lines)} tokens or a list of {len(lines)} edges; say "
            "which with --format adjacency or --format edges (in Python, format=)"
        )
    if square or not edges:
        return "adjacency"
    return "edges"


def read_matrix(text: str) -> Written:
    """Return the matrix that a text holds.

    Raises: FormatError that names the line
    """
    lines = _lines(text)
    if not lines:
        raise FormatError("it must hold a matrix of numbers or a list of edges, but is empty")
    width = len(lines[0].cells)
    matrix = np.empty((len(lines), width))
    for row, line in enumerate(lines):
        if len(line.cells) != width or line.more is not None:
            raise FormatError(
                f"line {line.number} has {len(line.cells)} cells and the first has {width}: it is "
                "neither a matrix nor a list of edges (two nodes a line, and perhaps a weight)"
            )
        for column, cell in enumerate(line.cells):
            number = _number(cell)
            if number is None:
                raise FormatError(
                    f"line {line.number} has {cell!r:.60} where a matrix has a number; names of "
                    "rows and columns must be left out"
                )
            matrix[row, column] = number
    return Written("an adjacency matrix", matrix=matrix)


def read_edges(text: str, *, directed: bool) -> Written:
    """Return the graph of a list of edges; several lines of one edge add up.

    The nodes are those that have an edge: whole numbers in their order, others as they come.

    Raises: FormatError that names the line
    """
    import networkx as nx

    lines = _lines(text)
    if lines and _is_heading(lines[0]):
        lines = lines[1:]
    if not lines:
        raise FormatError("it must hold a list of edges, but is empty")
    named = all(_is_whole(cell) for line in lines for cell in line.cells[:2])
    found: dict[tuple[Any, Any], float] = {}
    for line in lines:
        if len(line.cells) not in ((2,) if line.more is not None else (2, 3)):
            raise FormatError(
                f"line {line.number} has {len(line.cells)} cells where a list of edges has two "
                "nodes, and perhaps a weight"
            )
        edge = (int(line.cells[0]), int(line.cells[1])) if named else line.cells[:2]
        if not directed and edge[::-1] in found:
            edge = edge[::-1]
        found[edge] = found.get(edge, 0.0) + _weight(line)
    nodes = dict.fromkeys(node for edge in found for node in edge)
    graph: nx.Graph[Any] = nx.DiGraph() if directed else nx.Graph()
    graph.add_nodes_from(sorted(nodes) if named else nodes)
    graph.add_weighted_edges_from((*edge, weight) for edge, weight in found.items())
    return Written("a list of edges", graph=graph)


def _lines(text: str) -> list[_Line]:
    """Return the lines that hold something.

    Raises: FormatError for an empty cell, which could be anything
    """
    found = []
    for number, whole in enumerate(text.splitlines(), start=1):
        line = whole.partition("#")[0].rstrip()
        start, brace, end = line.partition("{")
        separator = "," if "," in start else "\t" if "\t" in start else None
        if not line.strip():
            continue
        parts = (start.rstrip(" \t,") if brace else start).split(separator)
        if not all(part.strip() for part in parts):
            raise FormatError(
                f"line {number} has an empty cell: write 0 where there is no edge, and leave out "
                "names of rows and columns (pandas: index=False, header=False)"
            )
        cells = tuple(cell for part in parts for cell in part.split())
        found.append(_Line(number, cells, brace + end if brace else None))
    return found


def _could_be_edges(lines: list[_Line]) -> bool:
    """Whether all lines are edges, each there once; a matrix mostly repeats itself."""
    if lines and _is_heading(lines[0]):
        return True
    if any(line.more is not None for line in lines):
        return True
    if not lines or not all(len(line.cells) == len(lines[0].cells) in (2, 3) for line in lines):
        return False
    ends = [line.cells[:2] for line in lines]
    numbers = [_number(cell) for pair in ends for cell in pair]
    whole = all(number is None or number.is_integer() for number in numbers)
    weights = [_number(line.cells[2]) for line in lines if len(line.cells) == 3]
    return (
        whole
        and len(set(ends)) == len(ends)
        and all(weight is not None and weight > 0 for weight in weights)
    )


def _is_heading(line: _Line) -> bool:
    names = [cell.lower() for cell in line.cells]
    return len(names) > 1 and names[0] in _FROM and names[1] in _TO


def _weight(line: _Line) -> float:
    weight: Any = 1.0
    if line.more is not None:
        try:
            told = ast.literal_eval(line.more)
            weight = told.get("weight", 1.0)
        except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
            raise FormatError(
                f"line {line.number} must end in a dictionary, but ends in {line.more!r:.60}"
            ) from None
    elif len(line.cells) == 3:
        weight = _number(line.cells[2])
    if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise FormatError(f"line {line.number} must have a weight that is finite and not negative")
    return float(weight)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _is_whole(cell: str) -> bool:
    return len(cell) < 19 and cell.removeprefix("-").isdecimal()
