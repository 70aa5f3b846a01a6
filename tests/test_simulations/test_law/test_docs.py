"""The page of the exact law tells the numbers that its own lines give."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulations.law.comparison import law_beside_simulation
from simulations.law.networks import draw_network
from simulations.stacks.graphs import graph_by_name
from simulations.stacks.stack import Stack
from tests.helpers.commands import said
from theory.law.transverse import transverse_rates

_PAGE = (Path(__file__).parents[3] / "docs" / "exact_law.md").read_text(encoding="utf-8")


def test_the_first_lines_print_what_their_comments_say_and_the_command_says_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - they are the page's own
    found = names["found"]
    capsys.readouterr()
    assert f"# {found.law.rate:.6f}, {found.law.error:.0e}, a {found.law.methods[0]}\n" in code
    assert f"# {found.late.simulated:.6f}, over" in code
    assert f"# {found.limit_v_sharp:.1f}, {found.limit_v:.1f}\n" in code
    assert found.late.simulated == pytest.approx(found.law.rate, rel=1e-9)
    command = re.findall(r"`oversmooth (law --graph star .*?)`", _PAGE)[0]
    status, out, _ = said(capsys, *command.split(), "--json")
    assert status == 0
    assert f"{found.law.rate!r}" in json.dumps(json.loads(out))


def test_the_std_s_scale_changes_no_digit_and_v_is_as_told() -> None:
    stack = Stack(tokens=24, tied=True, activation="relu")
    for tau in (0.25, 1.0, 4.0, 16.0):
        found = law_beside_simulation(replace(stack, tau=tau), graph_by_name("causal", 24))
        assert f"13 digits ({found.law.rate:.13f}) and v stays {found.limit_v:.3f}" in _PAGE


def test_the_divisor_of_a_path_is_as_told() -> None:
    block, token = draw_network(Stack(tokens=48, tied=True))
    law = transverse_rates(block, graph_by_name("path", 48), token)
    assert law.token_growth == pytest.approx(1)
    assert f"`rho(1)` is {law.along:.4f} in the stack above, with 48 tokens" in _PAGE
    assert f"a path of them (law {law.rate:.4f})" in _PAGE
