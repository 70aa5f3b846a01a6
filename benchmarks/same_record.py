"""How is a checkout asked, and what is kept of its answers and of the files that they left?"""

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.same_inputs import write_inputs
from benchmarks.same_questions import PARTS, sources

KEPT = ("attack", "verify", "sweep", "fuse")
"""The parts whose files another checkout can be given to read."""

WARM = ("bad", "check", "simulate", "law", "analyze")
"""The parts whose commands start no processes: they are run in forks, a second sooner each."""

CHECKOUT = Path(__file__).resolve().parents[1]
_OPAQUE = ("cells", "failed", "corrupt")  # folders of a store: what is in a cell, `export` tells
_THREAD = threading.local()  # the process that forks, one for each thread that asks
_FORKING: list[subprocess.Popen[str]] = []
_PICTURE = re.compile(r"base64,([A-Za-z0-9+/=]+)")
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "PYTHONPATH": str(CHECKOUT),
    "COLUMNS": "140",  # tables and help texts are as wide as this
    "TZ": "UTC",
}


def record(part: str, folder: Path, *, written: Path, workers: int) -> list[str]:
    """Ask the questions of one part, and store the answers and the files they left.

    Returns the questions that crashed: a crash, even the same in both checkouts, compares nothing.
    """
    with tempfile.TemporaryDirectory(prefix="same-") as name:  # always as long: tables do not move
        work = Path(name).resolve()
        write_inputs(work)
        asked = PARTS[part]
        if part == "files":
            shutil.copytree(written, work, dirs_exist_ok=True)
            asked += sources(work)
        given = set(_files(work))
        ask = partial(_ask, work=work, warm=part in WARM)
        with ThreadPoolExecutor(workers) as pool:
            answers = dict(zip(asked, pool.map(ask, asked), strict=True))
        while _FORKING:
            _FORKING.pop().communicate()  # closes its input, which ends it
        files = {
            _name(path, work): _content(path, work) for path in sorted(set(_files(work)) - given)
        }
        if part in KEPT:
            place = folder / "written" / part
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(work, place)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"answers": answers, "files": files}, indent=1)
    (folder / f"{part}.json").write_text(text + "\n", encoding="utf-8")
    return [
        question
        for question, steps in answers.items()
        if any("Traceback" in step["stderr"] for step in steps)
    ]


def _ask(question: str, work: Path, *, warm: bool) -> list[dict[str, Any]]:
    """Run the commands of a question one after the other."""
    found = []
    for line in question.split(" && "):
        words = [re.sub(r"^@", f"{work}/", word) for word in shlex.split(line)]
        if words[:1] == ["numbers"]:
            done = _run(["benchmarks.same_numbers", *words[1:]])
        else:
            done = _run_warm(words) if warm else _run([_command(), *words])
        out, err = (_neutral(text.decode(), work) for text in done[1:])
        found.append({"exit": done[0], "stdout": _parsed(out), "stderr": err})
    return found


def _run(words: list[str]) -> tuple[int, bytes, bytes]:
    """Run a module; return its exit code and what it said on stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=CHECKOUT,
        env=os.environ | _ENVIRONMENT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _run_warm(words: list[str]) -> tuple[int, bytes, bytes]:
    """Do the same for the command, in a child of a process that has imported it."""
    process: subprocess.Popen[str] | None = getattr(_THREAD, "process", None)
    if process is None:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.same_warm", _command()],
            cwd=CHECKOUT,
            env=os.environ | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        _THREAD.process = process
        _FORKING.append(process)
    assert process.stdin is not None
    assert process.stdout is not None
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        process.stdin.write(json.dumps({"words": words, "out": out.name, "err": err.name}) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return code, out.read(), err.read()


def _command() -> str:
    """Return the package of this checkout whose ``__main__`` is the command."""
    for package in ("oversmooth", "paper_figures"):
        if importlib.util.find_spec(package) is not None:
            main_module = importlib.util.find_spec(f"{package}.__main__")
            if main_module is not None and CHECKOUT in Path(main_module.origin or "").parents:
                return package
    raise LookupError(f"{CHECKOUT} must have a package that is the command")


def _neutral(text: str, work: Path) -> str:
    """Replace what names this run or this checkout, which no other shares."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.strip()
    text = re.sub(rf"{commit}(-dirty)?", "<commit>", text)
    # A file that an earlier part has written names the folder of that part.
    text = re.sub(rf"{re.escape(str(work.parent))}/same-\w{{8}}", "<work>", text)
    text = text.replace(str(CHECKOUT), "<checkout>")
    return _PICTURE.sub(lambda found: f"base64, {_digest(found[1].encode())}", text)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _files(work: Path) -> Iterator[Path]:
    return (path for path in work.rglob("*") if path.is_file())


def _name(path: Path, work: Path) -> str:
    """Return a file's name in the folder of the run, without what makes it unique."""
    return re.sub(r"(corrupt/\w+)\.\w+$", r"\1.<unique>", str(path.relative_to(work)))


def _content(path: Path, work: Path) -> Any:
    """Return a file as JSON or text, else its digest; of what holds times, that it is there."""
    opaque = set(_OPAQUE) & set(path.relative_to(work).parts)
    if opaque or path.suffix in (".checkpoint", ".nc") or ".zarr" in str(path):
        return "there"
    content = path.read_bytes()
    try:
        return _parsed(_neutral(content.decode(), work))
    except UnicodeDecodeError:
        return _digest(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
