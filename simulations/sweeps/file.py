"""How is a TOML file read that anybody may have written?"""

from pathlib import Path
from typing import Any

from simulations.machine.formats import FormatError, read_toml
from theory.arrays import InputError

_MOST_BYTES = 2**24
_DEEPEST = 20
_MOST_BITS = 1024  # a number of more is beyond float64, and Python prints no more than 4,300 digits


def read_sweep_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML file and what it says.

    Raises: InputError if it cannot be read, is not TOML, or is larger or deeper than any sweep
    """
    try:
        text, content = read_toml(path, name=str(path), most=_MOST_BYTES)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except FormatError as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    _require_tame(path, content)
    return text, content


def _require_tame(path: Path, content: dict[str, Any]) -> None:
    """Refuse what no check of a sweep expects, without going down into it by recursion."""
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif isinstance(each, int) and each.bit_length() > _MOST_BITS:
                raise InputError(f"{path} holds a whole number of more than 300 digits")
        level = below
    if level:
        raise InputError(f"{path} is no sweep: it is nested too deeply")
