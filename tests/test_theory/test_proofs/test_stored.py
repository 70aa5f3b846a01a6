"""Do the certificates that come with the project still prove what it says?"""

import json
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from theory.blocks.activations import ACTIVATIONS
from theory.proofs.check import STATEMENTS, check
from theory.theorems.attention.residual import worst_factor

STORED = Path(__file__).parents[3] / "theory" / "proofs" / "stored"
MAPS = {2: 3, 3: 7, 4: 19, 5: 47, 6: 130, 7: 343, 8: 951}
"""How many maps of n things to themselves there are up to relabelling (OEIS A001372)."""
LONG = ("attention-7", "attention-8", "smallest")
needs_flint = pytest.mark.skipif(find_spec("flint") is None, reason="python-flint is missing")


def _read(pattern: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(STORED.glob(pattern))]


def _cases() -> list[Any]:
    return [
        pytest.param(
            path,
            id=path.stem,
            marks=[
                *([pytest.mark.slow] if path.name.startswith(LONG) else []),
                *([needs_flint] if path.name.startswith(("law", "slope")) else []),
            ],
        )
        for path in sorted(STORED.glob("*.json"))
    ]


@pytest.mark.parametrize("path", _cases())
def test_every_stored_certificate_is_a_proof(path: Path) -> None:
    assert check(path.read_bytes())


def test_every_statement_has_a_checker_of_its_name() -> None:
    files = (STORED.parent / "checkers").glob("*.py")
    checks = {path.stem for path in files if "\ndef check(data" in path.read_text("utf-8")}
    assert checks - {"by_statement"} == set(STATEMENTS.values())


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in STORED.glob("attention-*.json")) < 1_500_000


def test_two_hubs_are_the_worst_to_a_millionth_for_all_that_is_stored() -> None:
    seen = set()
    for found in _read("attention-*.json"):
        claim = found["claim"]
        n, t = claim["tokens"], float(Fraction(claim["t"]))
        low, high = (
            float(Fraction(claim[name])) ** 0.5 for name in ("reached_squared", "at_most_squared")
        )
        hubs = float(worst_factor((2 * (n**2 // 4) / n) ** 0.5, np.float64(t)))
        assert low - 1e-9 <= hubs < high < low + 1e-6
        assert len(found["proof"]["cases"]) == MAPS[n]
        seen.add((n, t))
    assert seen == {(n, t) for n in MAPS for t in (0.25, 0.5, 1.0, 2.0)}


def test_the_slopes_that_bounds_use_are_the_proved_ones() -> None:
    found = _read("slope-*.json")
    assert {each["claim"]["activation"] for each in found} == {
        name for name, phi in ACTIVATIONS.items() if phi.kind == "gate"
    }
    for claim in (each["claim"] for each in found):
        used = Fraction(ACTIVATIONS[claim["activation"]].lipschitz)
        assert Fraction(claim["at_least"]) <= used <= Fraction(claim["at_most"])
        assert Fraction(claim["at_most"]) - Fraction(claim["at_least"]) < Fraction(1, 10**11)


def test_the_smallest_counterexample_is_a_graph_of_two_and_three_nodes_all_joined() -> None:
    (found,) = _read("smallest-*.json")
    assert found["claim"]["refuting"] == [0, 0, 0, 0, 1, 5, 26]
    ((edges),) = found["claim"]["smallest"]
    near = {k: {sum(edge) - k for edge in edges if k in edge} for k in range(5)}
    two = [k for k in near if len(near[k]) == 3]
    assert len(edges) == 6
    assert len(two) == 2
    assert all(near[k] == set(range(5)) - set(two) for k in two)
