"""Does a checker stand alone, and does it refuse what is false?"""

import ast
import shutil
import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from itertools import combinations, permutations, product
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from theory.arrays import InputError
from theory.proofs import attention
from theory.proofs.certificates import as_bytes, seal
from theory.proofs.check import STATEMENTS, check
from theory.proofs.checkers.envelope import NoCertificateError
from theory.proofs.checkers.residual_attention import kind, symmetries
from theory.proofs.checkers.smallest_counterexample import Graph, characteristic, refutes
from theory.proofs.graphs import smallest_counterexample
from theory.proofs.slopes import activation_slope

FOLDER = Path(__file__).parents[3] / "theory" / "proofs"
FILES = sorted((FOLDER / "checkers").glob("*.py"))
STORED = sorted((FOLDER / "stored").glob("*.json"))
QUICK = ("attention-3-tokens-t-1", "law-basin-causal", "law-cycle-full", "slope-silu")


def _foreign(text: str) -> set[str]:
    """Return what a file imports that is neither Python's own, nor flint, nor beside it."""
    names, here = set(), {f".{path.stem}" for path in FILES}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            name = f"{'.' * node.level}{node.module or ''}"
            names.add(name if node.level else name.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"flint"} - here


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_checker_is_short_and_imports_nothing_of_ours(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _foreign(text) == set()
    assert len(text.splitlines()) < 150


def test_an_import_of_ours_is_noticed() -> None:
    assert _foreign("import json, flint\nfrom theory.proofs import seal") == {"theory"}
    assert _foreign("from .envelope import read\nfrom . import law") == {"."}
    assert _foreign("from ..certificates import seal\nfrom .seals import seal") == {
        *("..certificates", ".seals")
    }


def test_what_needs_no_flint_does_not_import_it() -> None:
    with_flint = {path.stem for path in FILES if "from flint" in path.read_text(encoding="utf-8")}
    bare = {"__main__", "by_statement", "envelope", "residual_attention", "smallest_counterexample"}
    assert not with_flint & bare


def _run(folder: Path, *arguments: Path) -> tuple[int, str, str]:
    """Run a folder as a sceptic does: no packages but Python's own, nothing from outside."""
    command = [sys.executable, "-I", "-S", str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_folder_runs_alone_and_says_how_it_ended(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDER / "checkers", tmp_path / "some where")
    stored = FOLDER / "stored" / f"{QUICK[0]}.json"
    assert _run(folder, stored)[:2] == (0, check(stored.read_bytes()) + "\n")
    wrong = tmp_path / "wrong.json"
    wrong.write_bytes(stored.read_bytes().replace(b'"t":"1"', b'"t":"2"'))
    code, out, err = _run(folder, wrong)
    assert (code, out) == (1, "")
    assert "damaged" in err
    wrong.write_bytes(b"{}")
    assert _run(folder, wrong)[0] == 2
    assert _run(folder, tmp_path / "none.json")[0] == 2
    assert _run(folder)[0] == 2
    code, out, err = _run(folder, FOLDER / "stored" / "slope-silu.json")
    assert (code, out, err) == (2, "", "this checker needs the package flint\n")


_ALONE = """
import runpy, sys
_, folder, *sys.path[len(sys.path):], certificate = sys.argv
sys.modules.update(dict.fromkeys(["oversmooth", "theory", "simulations", "numpy", "clarabel"]))
sys.argv = [folder, certificate]
runpy.run_path(folder, run_name="__main__")
"""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem in QUICK else [pytest.mark.slow], id=path.stem)
        for path in STORED
    ],
)
def test_a_copy_of_the_folder_replays_what_is_stored(path: Path, tmp_path: Path) -> None:
    """With flint, wherever it is installed, and nothing of ours: that would not be found."""
    sites: list[str] = []
    if path.stem.startswith(("law", "slope")):
        sites = [str(Path(pytest.importorskip("flint").__file__).parents[1])]
    folder = shutil.copytree(FOLDER / "checkers", tmp_path / "checkers")
    certificate = shutil.copy(path, tmp_path)
    command = [sys.executable, "-I", "-S", "-c", _ALONE, str(folder), *sites, str(certificate)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(".\n")


# --- residual attention -------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [2, 3, 4])
def test_maps_of_one_kind_are_one_orbit_and_it_is_counted(tokens: int) -> None:
    """Counted from all maps and all relabellings, of which the checker sees none."""
    known: dict[Any, int] = {}
    kinds: dict[Any, set[Any]] = {}
    for f in product(range(tokens), repeat=tokens):
        kinds.setdefault(kind(f, known), set()).add(f)
    for of_one in kinds.values():
        f = min(of_one)
        inverses = [
            (p, sorted(range(tokens), key=p.__getitem__)) for p in permutations(range(tokens))
        ]
        assert {tuple(p[f[i]] for i in inverse) for p, inverse in inverses} == of_one
        assert factorial(tokens) == symmetries(f) * len(of_one)
    assert len(kinds) == len(attention.representatives(tokens))


def test_a_bound_below_what_two_hubs_reach_has_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("clarabel")
    assert "3 tokens" in check(as_bytes(attention.residual_attention(tokens=3, t="1/3")))
    monkeypatch.setattr(attention, "_SLACK", -Fraction(1, 10**6))
    with pytest.raises(InputError, match=r"no X was found for \d of 7 maps"):
        attention.residual_attention(tokens=3, t="1/3")


@pytest.mark.parametrize(("tokens", "t"), [(1, "1"), (9, "1"), (3, "0"), (3, "x"), (3, "1/9999")])
def test_a_question_that_cannot_be_meant_is_refused(tokens: int, t: str) -> None:
    with pytest.raises(InputError, match=r"^(tokens|t) must be"):
        attention.residual_attention(tokens=tokens, t=t)


# --- slopes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "silu", "quick_gelu"])
def test_a_slope_is_proved_and_a_smaller_or_larger_one_is_not(name: str) -> None:
    pytest.importorskip("flint")
    whole = activation_slope(name)
    assert "steepest slope" in check(as_bytes(whole))
    hair = Fraction(5, 10**12)
    claim, proof = whole["claim"], whole["proof"]
    for changed in (
        {"at_most": str(Fraction(claim["at_most"]) - hair)},
        {"at_least": str(Fraction(claim["at_least"]) + hair)},
        {"activation": "gelu_tanh" if name == "gelu" else "gelu"},
        {"activation": "relu"},
    ):
        with pytest.raises(ValueError, match=r"at_most|at_least|activation"):
            check(as_bytes(seal("activation-slope", {**claim, **changed}, proof)))
    with pytest.raises(ValueError, match="not reached"):
        check(as_bytes(seal("activation-slope", claim, {"steepest": "7/5"})))


def test_an_activation_that_is_not_gated_has_no_such_proof() -> None:
    with pytest.raises(InputError, match="activation must be one of gelu"):
        activation_slope("relu")


# --- graphs -------------------------------------------------------------------------------------


def _refutes(nodes: int, edges: Graph) -> bool:
    """The same with floats, from the definition."""
    weights = np.eye(nodes)
    for i, j in edges:
        weights[i, j] = weights[j, i] = 1.0
    root = np.sqrt(weights.sum(axis=1))
    values = np.linalg.eigvalsh(weights / root[:, None] / root)
    values = values[values < 1 - 1e-9]
    return bool(values.size) and bool(np.abs(values).max() > np.abs(values.max()) + 1e-9)


def test_exact_roots_and_floats_agree_on_random_graphs() -> None:
    rng, seen = np.random.default_rng(0), set()
    for _ in range(300):
        nodes = int(rng.integers(2, 8))
        some = rng.random() < rng.random()
        sides = rng.integers(2, size=nodes)
        pairs = combinations(range(nodes), 2)
        edges = Graph(
            (i, j) for i, j in pairs if (sides[i] != sides[j] if some else rng.random() < 0.5)
        )
        found = refutes(characteristic(nodes, edges))
        assert found == _refutes(nodes, edges)
        seen.add(found)
    assert seen == {False, True}


def test_a_tie_refutes_nothing() -> None:
    path = Graph({(0, 1), (1, 2)})  # P has the eigenvalues 1, 1/2 and -1/6
    square = tuple(Fraction(x) for x in (1, 0, Fraction(-1, 4)))  # 1/2 and -1/2
    assert not refutes(characteristic(3, path))
    assert not refutes(square)
    assert refutes((*square[:2], Fraction(0), Fraction(0))) is False
    assert refutes(tuple(Fraction(x) for x in (4, 1, Fraction(-1, 2))))  # 1/4 and -1/2


def _claim(nodes: int) -> dict[str, Any]:
    claim: dict[str, Any] = smallest_counterexample(nodes=nodes)["claim"]
    return claim


def test_all_graphs_with_five_nodes_are_counted() -> None:
    claim = _claim(5)
    assert claim["refuting"] == [0, 0, 0, 0, 1]
    assert "1 to 5 nodes" in check(as_bytes(seal("smallest-counterexample", claim, {})))
    star = [[[0, 1], [0, 2], [0, 3], [0, 4]]]
    wrong: tuple[dict[str, Any], ...] = (
        {"refuting": [0, 0, 0, 0, 0]},
        {"refuting": [0, 0, 0, 0, 2]},
        {"refuting": [0, 0, 0, 0, True]},
        {"refuting": [0] * 8},
        {"smallest": []},
        {"smallest": star},
        {"smallest": None},
    )
    for changed in wrong:
        with pytest.raises(ValueError, match=r"refut|smallest"):
            check(as_bytes(seal("smallest-counterexample", {**claim, **changed}, {})))


@pytest.mark.parametrize("nodes", [1, 8])
def test_too_few_or_too_many_nodes_are_refused(nodes: int) -> None:
    with pytest.raises(InputError, match="nodes must be 2 to 7"):
        smallest_counterexample(nodes=nodes)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_checker_looks_at_the_envelope_first(statement: str) -> None:
    if statement.startswith(("law", "activation")):
        pytest.importorskip("flint")
    module = import_module(f"theory.proofs.checkers.{STATEMENTS[statement]}")
    for data in (b"", b"\xff", b"[]", b"{}", as_bytes(seal("other", {}, {})), b"[" * 10**5):
        with pytest.raises(NoCertificateError, match=f"no certificate of {statement}"):
            module.check(data)
    with pytest.raises(ValueError, match=r"where .* must be"):
        module.check(as_bytes(seal(statement, {}, {})))
