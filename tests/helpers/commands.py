"""Commands as tests call them: a small block to ask about, and what the command said."""

from typing import Any

import numpy as np
import pytest

from paper_figures.command.main import main


def arrays(**changes: Any) -> dict[str, Any]:
    """A small block with scores; a change to None leaves an array out."""
    rng = np.random.default_rng(0)
    n, d, h, k, f = 6, 8, 2, 4, 12
    shapes = {
        "tokens": (n, d),
        "query": (h, d, k),
        "key": (h, d, k),
        "value_output": (h, d, d),
        "ffn_in": (d, f),
        "ffn_out": (f, d),
    }
    found: dict[str, Any] = {
        name: 0.3 * rng.standard_normal(shape) for name, shape in shapes.items()
    }
    return {name: value for name, value in (found | changes).items() if value is not None}


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, stdout and stderr."""
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a wrong question; require exit code 2, silence on stdout and one line on stderr."""
    code, out, err = said(capsys, *argv)
    assert code == 2
    assert out == ""
    assert err.startswith("oversmooth: ")
    assert len(err.strip().splitlines()) == 1, err
    return err
