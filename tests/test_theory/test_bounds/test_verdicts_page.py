"""The numbers of docs/verdicts.md are those of the planted stacks."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.planted_stacks import PLANTED
from theory.blocks.forward import apply_block
from theory.bounds.coefficients import block_coefficients

PAGE = Path(__file__).parents[3] / "docs" / "verdicts.md"


@pytest.mark.parametrize("name", PLANTED)
def test_the_page_has_the_planted_numbers(name: str) -> None:
    planted = PLANTED[name]
    tokens = np.random.default_rng(0).standard_normal((planted.n, 6)) * planted.scale
    step = apply_block(planted.block, tokens, mask=planted.mask)
    v = float(block_coefficients(planted.block, step).v)
    bound = "none" if planted.bound is None else f"{planted.bound:.3g}"
    cells = (name, f"{v:.3g}", planted.distance, planted.alike, bound, f"{planted.apart:.3g}")
    assert f"| {' | '.join(cells)} |" in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_has_no_other_rows() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## Planted stacks")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) == len(PLANTED) + 2
