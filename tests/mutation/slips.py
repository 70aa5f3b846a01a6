"""Which slips could a kernel hold? One change at a time in its syntax tree.

A number becomes another (0, 1, 2, 3: the next or the one before; all else 0, so that its term is
gone), a comparison turns round, + becomes -, * becomes /, a term of a sum is dropped, max is min.
"""

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

_SWAPPED: dict[type[ast.AST], type[Any]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
_OTHER_NAME = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum"}
_OTHER_NUMBER: dict[float, int] = {0: 1, 1: 2, 2: 1, 3: 2}
_NO_PLACES = (
    *(ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.AnnAssign, ast.arguments),
    *(ast.JoinedStr, ast.Slice),
)
_NO_KEYWORDS = ("axis", "dtype", "keepdims", "device", "copy", "least", "stable", "indices")


@dataclass(frozen=True)
class Slip:
    """A module with one change: in which function, what stood there, and what stands there now."""

    function: str
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def what(self) -> str:
        """The change in words that stay the same when lines move."""
        return f"{self.function}: {self.before} -> {self.after}"


def slips(source: str) -> Iterator[Slip]:
    """Yield the module with one change at a time."""
    tree = ast.parse(source)
    for number, (function, node) in enumerate(_places(tree, "")):
        for kind in range(len(_changes(node))):
            changed = deepcopy(tree)
            _, here = list(_places(changed, ""))[number]
            other = _changes(here)[kind]
            before, after = ast.unparse(here), ast.unparse(other)
            _Put(here, other).visit(changed)
            yield Slip(function, node.lineno, before, after, ast.fix_missing_locations(changed))


class _Put(ast.NodeTransformer):
    """Put one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        """Return the new node for the old one."""
        return self.new if node is self.old else self.generic_visit(node)


def _places(node: ast.AST, function: str) -> Iterator[tuple[str, Any]]:
    """Yield where a slip could be, always in the same order."""
    if isinstance(node, _NO_PLACES):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.keyword) and node.arg in _NO_KEYWORDS:
        return
    if isinstance(node, ast.Subscript):
        yield from _places(node.value, function)  # which entry is no question of size
        return
    if isinstance(node, ast.FunctionDef):
        function = node.name
        for part in node.body:
            yield from _places(part, function)
        return
    if _changes(node):
        yield function, node
    for child in ast.iter_child_nodes(node):
        yield from _places(child, function)


def _changes(node: Any) -> list[Any]:
    match node:
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return [_with_operator(node), left, right]
        case ast.BinOp(op=ast.Sub(), left=left):
            return [_with_operator(node), left]
        case ast.BinOp(op=ast.Mult(), left=ast.Constant(value=0)):
            return []  # zeros like the other one
        case ast.BinOp(op=ast.Mult() | ast.Div()):
            return [_with_operator(node)]
        case ast.Compare(ops=[operator]) if type(operator) in _SWAPPED:
            swapped = _SWAPPED[type(operator)]()
            return [ast.Compare(node.left, [swapped], node.comparators)]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return [operand]
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return [ast.Constant(_OTHER_NUMBER.get(value, 0))]
        case ast.Attribute(attr=name) if name in _OTHER_NAME:
            return [ast.Attribute(node.value, _OTHER_NAME[name], node.ctx)]
        case ast.Name(id=name) if name in _OTHER_NAME:
            return [ast.Name(_OTHER_NAME[name], node.ctx)]
    return []


def _with_operator(node: ast.BinOp) -> ast.BinOp:
    return ast.BinOp(node.left, _SWAPPED[type(node.op)](), node.right)
