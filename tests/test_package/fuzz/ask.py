"""Ask many strange questions, each in a fork of this process; print what fell over, a line each.

A fork has loaded all that commands need, so that a question costs a tenth of a second. It may take
ten seconds of a processor and a gigabyte more than there is at its start.
"""

import json
import os
import pkgutil
import random
import resource
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import paper_figures.command
import simulations
import theory
from paper_figures.command.main import main
from tests.test_package.fuzz.questions import QUESTIONS

SECONDS, BYTES = 10, 2**30
# They load torch.
_NOT_ASKED = ("simulations.capture", "simulations.fusion", "simulations.datasets")
_HANGS_SECONDS = 300  # by the clock, which other work on the machine moves too


@dataclass(frozen=True)
class Answer:
    """How a question ended: its exit code, or the signal below zero; what it said; what it took."""

    code: int
    told: str
    seconds: float
    bytes: int

    @property
    def fault(self) -> str | None:
        """What is wrong with the answer, if anything is."""
        if self.code not in (0, 1, 2):
            return f"exit code {self.code}"
        if "Traceback" in self.told or "internal error" in self.told:
            return "it does not know what happened"
        if self.code == 2 and not self.told.startswith("oversmooth: "):
            return "exit code 2 without a word"
        if max(map(len, self.told.splitlines()), default=0) > 2500 or self.told.count("\n") > 60:
            return "it says too much"
        if self.seconds > SECONDS:
            return f"{self.seconds:.0f} s"
        return f"{self.bytes / 1e9:.1f} GB" if self.bytes > BYTES else None


def ask(argv: list[str], folder: Path) -> Answer:
    """Run the command in a fork and return how it ended."""
    told = folder / "stderr"
    child = os.fork()
    if child == 0:
        _answer(argv, folder, told)
    limit = time.monotonic() + _HANGS_SECONDS
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > limit:
            os.kill(child, 9)
        time.sleep(0.005)
    return Answer(
        os.waitstatus_to_exitcode(status),
        told.read_text(encoding="utf-8", errors="replace"),
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * 1024,
    )


def _answer(argv: list[str], folder: Path, told: Path) -> None:
    code = 99
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 2)
        with Path("/proc/self/statm").open(encoding="ascii") as file:
            there = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (there + BYTES, there + BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS + 1, SECONDS + 2))
        code = main(argv)
        sys.stderr.flush()
    finally:
        os._exit(code)


def run(seed: int, count: int) -> int:
    """Ask so many questions, print those that fell over, and return how many did."""
    _load()
    faults, codes = 0, Counter[str]()
    kinds = list(QUESTIONS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        rng = random.Random(f"{seed} {number}")  # noqa: S311  nothing secret
        folder = Path(mkdtemp())
        try:
            argv = QUESTIONS[kind](folder, rng)
            answer = ask(argv, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        codes[f"{kind} {answer.code}"] += 1
        if answer.fault is not None:
            faults += 1
            about = {"seed": seed, "number": number, "kind": kind, "fault": answer.fault}
            short = [word[:200] for word in argv]
            _tell({**about, "argv": short, "told": answer.told[-1500:]})
    _tell({"asked": count, "faults": faults, "codes": dict(sorted(codes.items()))})
    return faults


def _tell(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def _load() -> None:
    """Load in this process what the forks need, which is most of the house."""
    import networkx  # noqa: F401

    for room in (paper_figures.command, simulations, theory):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if not module.name.startswith(_NOT_ASKED):
                import_module(module.name)


if __name__ == "__main__":
    sys.exit(1 if run(int(sys.argv[1]), int(sys.argv[2])) else 0)
