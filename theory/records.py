"""How is a record shown: in a few lines, however large are the arrays that it holds?"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from textwrap import wrap
from types import ModuleType
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)

_WIDTH = 100
_LONGEST = 80
_ROWS = 2
_BRACKETS = {tuple: ("(", ")"), list: ("[", "]")}
_MOST = 4


def brief_repr(kind: Kind) -> Kind:
    """Let a dataclass or NamedTuple show itself as `show_record` has it: a decorator.

    It stands above ``@dataclass``, and a subclass needs one of its own.
    """
    type.__setattr__(kind, "__repr__", show_record)
    return kind


def show_record(record: Any) -> str:
    """Return ``Kind(name=value, ...)``: on one line if it fits, else each field on two at most.

    An array is shown by its dtype and shape, and where it is one number by that; what is long is
    cut, and of what lies deeper there are names only.
    """
    name, shown = type(record).__name__, _fields(record, depth=0)
    line = f"{name}({', '.join(shown)})"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n{''.join(map(_row, shown))})"


def _row(field: str) -> str:
    indent = "    "
    rows = wrap(
        field,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=2 * indent,
        max_lines=_ROWS,
        placeholder=" ...",
        break_on_hyphens=False,
    )
    return "\n".join(rows) + ",\n"


def one_line(value: object, *, longest: int = 60) -> str:
    """Return the value as it stands in a record, cut to so many letters: for messages."""
    return _cut(_show(value, depth=0), longest)


def _fields(record: Any, *, depth: int) -> list[str]:
    if is_dataclass(record):
        names = [field.name for field in fields(record) if field.repr]
    else:
        names = list(record._fields)
    return [f"{name}={_show(getattr(record, name, ...), depth=depth)}" for name in names]


def _show(value: Any, *, depth: int) -> str:
    """Return a line for what lies in so many records and collections of the one shown."""
    if isinstance(value, type | ModuleType):
        return value.__name__
    if is_dataclass(value) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        inside = ", ".join(_fields(value, depth=1)) if depth == 0 else "..."
        return f"{type(value).__name__}({inside})"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value)
    if isinstance(value, Mapping):
        pairs = (f"{_cut(repr(k), 40)}: {_show(v, depth=depth + 1)}" for k, v in value.items())
        return f"{{{_few(pairs, len(value), depth)}}}"
    if isinstance(value, tuple | list | set | frozenset):
        left, right = _BRACKETS.get(type(value), ("{", "}"))
        parts = (_show(each, depth=depth + 1) for each in value)
        inside = _few(parts, len(value), depth)
        return f"{left}{inside}{',' if len(value) == 1 and left == '(' else ''}{right}"
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    return _cut(repr(value), _LONGEST)


def _few(shown: Iterable[str], number: int, depth: int) -> str:
    """Return the first of so many things, and how many there are if these are not all."""
    most = _MOST if depth < 2 else 0
    parts = list(islice(shown, most))
    return ", ".join(parts if number <= most else [*parts, f"... {number} in all"])


def _array(array: Any) -> str:
    """Return float64[3, 4], or the number where there is one that can be had at once."""
    if tuple(array.shape) == ():
        try:
            return repr(array.item())
        except (AttributeError, RuntimeError, TypeError, ValueError):
            pass  # no number on the device meta, and none within a transformation by torch.func
    return f"{array.dtype}[{', '.join(str(length) for length in array.shape)}]"


def _cut(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 4]} ..."
