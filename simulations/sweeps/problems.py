"""How is each problem of a sweep's file told: its line, its key, and what was meant?"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from simulations.machine.words import shortened

_LONGEST = 200
_NAMED = re.compile(r"([\w.-]+): (?=\w)")  # how our own checks begin that speak of a key inside


def problems_of(
    error: Any, known_at: Callable[[list[str]], tuple[str, ...]]
) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) for one of pydantic's errors; ``known_at`` has a place's keys."""
    location = [shortened(str(part), _LONGEST) for part in error["loc"] if not _is_choice(part)]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = known_at(location[:-1])
        yield key, not_known(location[-1], known) if known else "is not known here"
    elif error["type"] == "value_error":
        for line in str(error["ctx"]["error"]).splitlines():
            # What our own checks say about a key inside starts with its name.
            named = not key or _NAMED.match(line)
            name, _, what = line.partition(": ") if named else ("", "", line)
            yield ".".join(part for part in (key, name) if part), what
    else:
        came = "" if error["type"] == "missing" else f", but is {_shown(error['input'])}"
        message = error["msg"].removeprefix("Value error, ")
        message = re.sub(r"^Input should be", "must be", message)
        yield key, f"{message}{came}"


def _is_choice(part: Any) -> bool:
    """Whether a part of pydantic's location names a member of a union, not a key of the file."""
    return part in ("int", "float", "str", "bool")


def places_of(error: Any) -> list[tuple[Any, ...]]:
    """Return where in the content that is which one of pydantic's errors is about."""
    location = tuple(part for part in error["loc"] if not _is_choice(part))
    if error["type"] != "value_error":
        return [location]
    told = (_NAMED.match(line) for line in str(error["ctx"]["error"]).splitlines())
    inside = [tuple(_part(part) for part in named[1].split(".")) for named in told if named]
    return [(*location, *more) for more in inside] or ([location] if location else [])


def _part(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def without(content: Any, places: Collection[tuple[Any, ...]]) -> Any:
    """Return content in which what is at these places is left out."""
    here = {place[0] for place in places if len(place) == 1}
    deeper: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for first, *rest in places:
        if rest:
            deeper[first].append(tuple(rest))
    if isinstance(content, dict):
        pairs: Iterable[tuple[Any, Any]] = content.items()
    elif isinstance(content, list):
        pairs = enumerate(content)
    else:
        return content
    kept = {key: without(value, deeper[key]) for key, value in pairs if key not in here}
    return kept if isinstance(content, dict) else list(kept.values())


def _shown(value: Any) -> str:
    """Return a value as it was written, unless it fills pages."""
    return shortened(repr(value), _LONGEST)


def not_known(name: str, known: tuple[str, ...]) -> str:
    """Say that a name is not known, and which is meant, or which are known."""
    if len(name) > _LONGEST:
        return "is not known"
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"is not known; {hint}"


def line_numbers(text: str) -> dict[str, int]:
    """Return the line on which each key of a TOML file has its value."""
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
    return lines


def in_file(path: Path, lines: Mapping[str, int], problem: tuple[str, str]) -> str:
    """Put file and line before a problem, of the nearest key around it that has its own line."""
    key, what = problem
    parts = [part for part in key.split(".") if not part.isdigit()]
    around = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    number = next((lines[name] for name in around if name in lines), None)
    place = f"{path}:{number}" if number else str(path)
    return f"{place}: {key}: {what}"
