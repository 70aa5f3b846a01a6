"""Help is quick: no command loads what only its run needs, and the overview loads no command."""

import json
import subprocess
import sys

import pytest

from paper_figures.command.main import COMMANDS, main

HEAVY = {
    "dask",
    "hypothesis",
    "matplotlib",
    "networkx",
    "pydantic",
    "scipy.optimize",
    "scipy.special",
    "sympy",
    "torch",
}
PROBE = """
import json, sys
from paper_figures.command.main import main
code = main(json.loads(sys.argv[1]))
sys.stderr.write(json.dumps([code, sorted(sys.modules)]))
"""


def loaded_by(*words: str) -> set[str]:
    """Return the modules that a new process has loaded when a command has printed its help."""
    command = [sys.executable, "-c", PROBE, json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr)
    assert code == 0
    assert "Usage: oversmooth" in done.stdout
    return set(modules)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    assert loaded_by(command, "--help") & HEAVY == set()


def test_the_overview_loads_neither_numpy_nor_any_command() -> None:
    modules = loaded_by("--help")
    assert modules & (HEAVY | {"numpy"}) == set()
    homes = {f"paper_figures.command.{command.module}" for command in COMMANDS.values()}
    assert modules & homes == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_overview_says_of_a_command_what_it_says_of_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    _, after_usage = capsys.readouterr().out.split("\n\n", 1)
    assert " ".join(after_usage.split()).startswith(COMMANDS[command].line)
