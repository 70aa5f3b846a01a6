"""Does this checkout answer as another one did: every command, number, file and message?

    python -m benchmarks.same_answers record FOLDER [--only PART ...] [--written-by-old OLD]
    python -m benchmarks.same_answers compare OLD NEW [--only PART ...] [--tolerance PART=1e-12]

``record`` asks this checkout all of `benchmarks.same_questions`; ``compare`` prints each place
where two recordings differ, and returns 1 if there is any. ``--written-by-old`` gives the part
"files" what another recording's commands have written: replays, sweeps, a training cut off.
"""

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks.same_questions import PARTS
from benchmarks.same_record import record

VOLATILE_NAMES = {
    "seconds": "how long it took",
    "hours": "how long a sweep would take, from a trial that is timed",
    "commit": "of the sources that made it; a store that was gone on with has two",
    **dict.fromkeys(("python", "oversmooth", "numpy", "scipy", "matplotlib"), "a version"),
    **dict.fromkeys(("networkx", "torch", "array-api-compat"), "a version"),
    "traceback": "of a failed cell: files and lines, which move",
    "machine": "the host, with its Python",
    "sha256": "of a replay file, whose content holds versions",
}
"""JSON keys that are left out of a comparison, and why.

What names one run or one checkout in any text (the folders, the commit) `benchmarks.same_record`
has replaced already.
"""

VOLATILE_TEXT = (
    (r"(test \S+), \d+ s$", r"\1, <time>", "how long a training took"),
    (r"^(\s+seconds\s+)\S+\s*$", r"\1<time>", "the same, in a table"),
    (r"· commit [0-9a-f]+(-dirty)?", "· commit <commit>", "the sources that drew a figure"),
    (r"process \d+ on \S+", "<process>", "who held a store or a run last"),
    (r"(hours:minutes:seconds\s+)\S+", r"\1<time>", "how long a sweep would take"),
)
"""Patterns in lines of text, what stands for them in a comparison, and why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Record, or compare two recordings."""
    parser = argparse.ArgumentParser(
        prog="same_answers", description=(__doc__ or "").split("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--written-by-old", type=Path, metavar="OLD")
    recording.add_argument("--workers", type=int, default=2, help="questions asked at a time")
    comparing = commands.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    comparing.add_argument("--tolerance", nargs="+", default=[], metavar="PART=RELATIVE")
    for each in (recording, comparing):
        each.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    options = parser.parse_args(argv)
    if options.command == "record":
        fine = True
        folder = options.folder.resolve()
        written = (options.written_by_old or folder).resolve() / "written"
        for part in options.only:
            start = time.perf_counter()
            crashed = record(part, folder, written=written, workers=options.workers)
            for question in crashed:
                _say(f"{part}: {question} crashed")
            fine &= not crashed
            _say(f"{part}: {time.perf_counter() - start:.0f} s")
        return 0 if fine else 1
    allowed = {part: float(text) for part, _, text in (t.partition("=") for t in options.tolerance)}
    return compare(options.old, options.new, options.only, allowed)


def compare(old: Path, new: Path, parts: Sequence[str], allowed: dict[str, float]) -> int:
    """Print each difference between two recordings; return 1 if there is one, else 0."""
    total = 0
    for part in parts:
        files = [folder / f"{part}.json" for folder in (old, new)]
        absent = [str(path) for path in files if not path.exists()]
        if absent:
            _say(f"{part}: {' and '.join(absent)} not there")
            total += 1
            continue
        before, after = (json.loads(path.read_text(encoding="utf-8")) for path in files)
        found = list(_differences(part, before, after, allowed.get(part, 0.0)))
        total += len(found)
        for where, was, now in found:
            _say(f"{where}\n  old: {was}\n  new: {now}")
        _say(f"{part}: {len(before['answers'])} questions, {len(found)} differences")
    return 1 if total else 0


def _differences(
    where: str, old: Any, new: Any, tolerance: float
) -> Iterator[tuple[str, str, str]]:
    """Yield path, old and new value of all that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            if name not in VOLATILE_NAMES:
                was, now = old.get(name, "<absent>"), new.get(name, "<absent>")
                yield from _differences(f"{where} / {name}", was, now, tolerance)
        if set(old) == set(new) and list(old) != list(new):
            yield f"{where}, the order", _short(list(old)), _short(list(new))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{where}[{place}]", was, now, tolerance)
    elif isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        lines = zip_longest(old.splitlines(), new.splitlines(), fillvalue="<absent>")
        for number, (was, now) in enumerate(lines, start=1):
            yield from _differences(f"{where}, line {number}", was, now, tolerance)
    elif not _same(old, new, tolerance):
        yield where, _short(old), _short(new)


def _same(old: Any, new: Any, tolerance: float) -> bool:
    """Whether two values are equal: NaN is NaN, 0 is not -0, and 1 is neither 1.0 nor true."""
    if type(old) is not type(new):
        return False
    if isinstance(old, str):
        return _steady(old) == _steady(new)
    if isinstance(old, float) and tolerance and math.isclose(old, new, rel_tol=tolerance):
        return True
    return repr(old) == repr(new)


def _steady(text: str) -> str:
    for pattern, replacement, _ in VOLATILE_TEXT:
        text = re.sub(pattern, replacement, text)
    return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... ({len(text):,} characters)"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
