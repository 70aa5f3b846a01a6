"""How is each problem of a sweep's file told: its line, its key, and what was meant?"""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any


def problems_of(
    error: Any, known_at: Callable[[list[str]], tuple[str, ...]]
) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) for one of pydantic's errors; ``known_at`` has a place's keys."""
    location = [str(part) for part in error["loc"] if not _is_choice(part)]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = known_at(location[:-1])
        yield key, not_known(location[-1], known) if known else "is not known here"
    elif error["type"] == "value_error":
        for line in str(error["ctx"]["error"]).splitlines():
            # What our own checks say about a key inside starts with its name.
            named = not key or re.match(r"[\w.-]+: is ", line)
            name, _, what = line.partition(": ") if named else ("", "", line)
            yield ".".join(part for part in (key, name) if part), what
    else:
        came = "" if error["type"] == "missing" else f", but is {error['input']!r}"
        message = error["msg"].removeprefix("Value error, ")
        message = re.sub(r"^Input should be", "must be", message)
        yield key, f"{message}{came}"


def _is_choice(part: Any) -> bool:
    """Whether a part of pydantic's location names a member of a union, not a key of the file."""
    return part in ("int", "float", "str", "bool")


def not_known(name: str, known: tuple[str, ...]) -> str:
    """Say that a name is not known, and which is meant, or which are known."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"is not known; {hint}"


def in_file(path: Path, text: str, problem: tuple[str, str]) -> str:
    """Put file and line before a problem, of the nearest key around it that has its own line."""
    key, what = problem
    lines: dict[str, int] = {}
    section = ""
    for i, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        assigned = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
        if header:
            section = header[1]
            lines.setdefault(section, i)
        elif assigned:
            lines.setdefault(".".join(part for part in (section, assigned[1]) if part), i)
    parts = [part for part in key.split(".") if not part.isdigit()]
    around = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    number = next((lines[name] for name in around if name in lines), None)
    place = f"{path}:{number}" if number else str(path)
    return f"{place}: {key}: {what}"
