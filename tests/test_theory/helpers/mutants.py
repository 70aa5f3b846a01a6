"""Which slips in the statements of theory/theorems would their own checks overlook?

``python -m tests.test_theory.helpers.mutants [module ...]`` changes one constant, sign, operator or
extreme at a time in what the two sides and the hypotheses are made of, and tries every theorem of
that module: witness, outside instance, random draws. Rounding, domains and witnesses stay.
What is left over is of three kinds: the change cancels on both sides, it makes a bound that is
never reached larger still, or a check is missing.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem
from theory.theorems.catalogue import CATALOGUE

BATCHES, MEMBERS = 24, 32
_FOLDER = Path(__file__).parents[3] / "theory" / "theorems"
_NO_CHAPTER = ("__init__", "catalogue")
_SPARED_ARGUMENTS = {
    *("rounding", "domain", "witness", "outside", "note", "claim", "key", "source", "correction"),
    *("batch", "scale", "axis", "sizes", "free", "tight", "expected", "steepest", "example"),
    *("from_layers", "make"),
}
_SPARED_FUNCTIONS = {
    *("attention.wang2022._forgiven", "attention.dovonon2024._all_pairs"),
    *("graph_networks.cai2020._cut", "graph_networks.cai2020.energy_rounding"),
    *("graph_networks.oono2020._steps", "block.norms.normalised_by", "block.norms.norm_from"),
    *("remedies.fusion_bounds._scalars", "remedies.fusion_bounds._identities"),
    "remedies.fusion_bounds._concat",
}
"""What the statements use and yet does not state them: what rounding is forgiven, examples."""

_SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}
_OTHER_CALL = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum"}


@dataclass(frozen=True)
class Mutant:
    """A module with one change, and what was changed."""

    what: str
    tree: ast.Module


def modules() -> list[str]:
    """Return the names of the modules that define theorems."""
    files = (path for path in _FOLDER.rglob("*.py") if path.stem not in _NO_CHAPTER)
    names = sorted(".".join(path.relative_to(_FOLDER).with_suffix("").parts) for path in files)
    return [name for name in names if _theorems(importlib.import_module(_full(name)))]


def mutants(name: str) -> Iterator[Mutant]:
    """Yield the module with one change at a time."""
    source = ast.parse(_path(name).read_text(encoding="utf-8"))
    stated = functions_stated(name, source)
    for number in range(len(list(_sites(source, stated)))):
        tree = deepcopy(source)
        node = list(_sites(tree, stated))[number]
        before = ast.unparse(node)
        _change(node)
        yield Mutant(f"{name}:{node.lineno}: {before} -> {ast.unparse(node)}", tree)


def is_noticed(name: str, mutant: Mutant) -> bool:
    """Say whether some theorem of the changed module behaves other than it should."""
    module = ModuleType(_full(name))
    module.__file__ = str(_path(name))
    try:
        with np.errstate(all="ignore"):
            exec(compile(mutant.tree, module.__file__, "exec"), module.__dict__)  # noqa: S102
            return any(_misbehaves(theorem) for theorem in _theorems(module))
    except Exception:  # noqa: BLE001  # whatever breaks is noticed
        return True


def _path(name: str) -> Path:
    return _FOLDER.joinpath(*name.split(".")).with_suffix(".py")


def _full(name: str) -> str:
    return f"theory.theorems.{name}"


def _theorems(module: ModuleType) -> list[Theorem[Any]]:
    """Return the theorems that a module defines, alone or in tuples."""
    found: dict[str, Theorem[Any]] = {}
    own = _path(module.__name__.removeprefix("theory.theorems.")).read_text(encoding="utf-8")
    for name, value in vars(module).items():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Theorem) and each.key in CATALOGUE and f"\n{name}" in own:
                found[each.key] = each
    return list(found.values())


def _misbehaves(theorem: Theorem[Any]) -> bool:
    if theorem.witness is not None:
        verdict = check(theorem, theorem.witness())
        if verdict.status != theorem.expected:
            return True
        if theorem.tight and not abs(verdict.excess) <= verdict.rounding:
            return True
    if theorem.outside is not None:
        verdict = check(theorem, theorem.outside())
        if verdict.status != "does not apply" or not verdict.excess > verdict.rounding:
            return True
    for number in range(BATCHES):
        rng = np.random.default_rng([number, 7])
        verdict = check(theorem, draw(theorem.domain, rng, members=MEMBERS).instance)
        if not verdict.applies.all():
            return True
        if theorem.expected == "holds" and verdict.refuted.any():
            return True
    return False


def functions_stated(name: str, source: ast.Module) -> set[str]:
    """Return the functions that the two sides and the hypotheses of a module are made of.

    Those that a statement names, but not for its domain, rounding or examples; and all that these
    name in turn.
    """
    functions = {node.name: node for node in ast.walk(source) if isinstance(node, ast.FunctionDef)}
    kinds = ast.Assign | ast.AnnAssign
    roots = [node for node in source.body if isinstance(node, kinds) and _states(node)]
    waiting = [found for node in roots for found in _named(node)]
    stated: set[str] = set()
    while waiting:
        found = waiting.pop()
        if found in functions and found not in stated:
            stated.add(found)
            waiting += [each for part in functions[found].body for each in _named(part)]
    return {each for each in stated if f"{name}.{each}" not in _SPARED_FUNCTIONS}


def _named(node: ast.AST) -> Iterator[str]:
    """Yield the names in the part of a tree that can change."""
    if isinstance(node, ast.FunctionDef):
        return
    if isinstance(node, ast.keyword) and node.arg in _SPARED_ARGUMENTS:
        return
    if isinstance(node, ast.Name):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from _named(child)


def _sites(node: ast.AST, stated: set[str]) -> Iterator[Any]:
    """Yield the places that a slip could be at, always in the same order."""
    if isinstance(node, ast.FunctionDef) and node.name not in stated:
        return
    if isinstance(node, ast.keyword) and node.arg in _SPARED_ARGUMENTS:
        return
    if isinstance(node, ast.ClassDef | ast.AnnAssign | ast.Assert | ast.Expr | ast.Import):
        return
    if isinstance(node, ast.Subscript):
        yield from _sites(node.value, stated)  # an index is no constant of a theorem
        return
    if isinstance(node, ast.Assign) and node.col_offset == 0 and not _states(node):
        return  # an example's numbers, or the sizes of a domain
    if _can_change(node):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _sites(child, stated)


def _can_change(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=operator):
            return type(operator) in _SWAPPED
        case ast.UnaryOp(op=ast.USub()):
            return True
        case ast.Constant(value=value):
            return type(value) in (int, float)
        case ast.Attribute(attr=name):
            return name in _OTHER_CALL
    return False


def _states(node: ast.Assign | ast.AnnAssign) -> bool:
    return any(word in ast.unparse(node) for word in ("Theorem", "Hypothesis", "_theorem"))


def _change(node: Any) -> None:
    if isinstance(node, ast.BinOp):
        node.op = _SWAPPED[type(node.op)]()
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd()
    elif isinstance(node, ast.Constant):
        assert isinstance(node.value, int | float)
        node.value = node.value + 1
    else:
        node.attr = _OTHER_CALL[node.attr]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(names: list[str]) -> int:
    """Print what nobody noticed, and the score."""
    total = missed = 0
    for name in names or modules():
        found = [(mutant.what, is_noticed(name, mutant)) for mutant in mutants(name)]
        lost = [what for what, noticed in found if not noticed]
        total, missed = total + len(found), missed + len(lost)
        lines = [f"{name}: {len(found) - len(lost)} of {len(found)} noticed", *lost]
        _say("\n    ".join(lines))
    _say(f"{total - missed} of {total} slips noticed: {(total - missed) / max(total, 1):.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
