"""Does any file, however strange, make the command fall over?

What is asked is in `fuzz.questions`, and what may not happen in `fuzz.ask`. To see one
question again: ``python -m tests.test_package.fuzz.ask SEED COUNT`` asks the first so many.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
NEEDED = ("pydantic", "safetensors", "tokenizers")
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork") or not Path("/proc").exists(), reason="it forks"),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in NEEDED),
        reason=f"without {', '.join(NEEDED)} there are fewer files to read",
    ),
]


def _asked(seed: int, count: int) -> list[dict[str, Any]]:
    """Ask so many questions in a process of its own, and return its lines: the last is the sum."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_package.fuzz.ask", str(seed), str(count)],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    assert lines[-1]["asked"] == count, done.stderr
    return lines


@pytest.mark.once
def test_sixty_strange_questions_get_an_answer_or_a_line() -> None:
    *faults, total = _asked(seed=1, count=63)
    assert faults == []
    answered = sum(number for how, number in total["codes"].items() if not how.endswith(" 2"))
    assert answered > 3, "all were refused: the files are stranger than they should be"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_two_thousand_strange_questions_get_an_answer_or_a_line(seed: int) -> None:
    *faults, _ = _asked(seed=seed, count=200)
    assert faults == []


def test_a_fault_would_be_seen() -> None:
    from tests.test_package.fuzz.ask import Answer

    assert Answer(2, "oversmooth: no such file\n", 0.1, 10**8).fault is None
    assert Answer(0, "", 0.1, 10**8).fault is None
    for wrong in (
        Answer(-9, "", 1.0, 10**8),
        Answer(1, "Traceback (most recent call last):\n", 0.1, 10**8),
        Answer(2, "oversmooth: internal error: ValueError: x\n", 0.1, 10**8),
        Answer(2, "", 0.1, 10**8),
        Answer(2, "oversmooth: " + "x" * 10**4, 0.1, 10**8),
        Answer(0, "", 11.0, 10**8),
        Answer(0, "", 1.0, 2 * 10**9),
    ):
        assert wrong.fault is not None, wrong
