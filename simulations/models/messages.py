"""How does an error quote what a file or a caller gave, so that it stays one short line?"""

from pathlib import Path
from reprlib import Repr
from textwrap import shorten
from typing import Final

# One level of a list or object, and both ends of what is long: a damaged file holds anything.
_SHORT: Final = Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist = 1, 3, 3
_SHORT.maxstring = _SHORT.maxother = 80
_PATH: Final = Repr()
_PATH.maxstring = 240


def quote(value: object) -> str:
    """Return a value as Python writes it, on one line, the middle of a long one left out.

    A name that a user or a file may choose goes through here; it may hold line breaks.
    """
    return _SHORT.repr(value)


def quote_path(path: Path) -> str:
    """Return a path as it was given: the bare name of "." or "/" would be empty."""
    return _PATH.repr(str(path))


def reason(error: BaseException) -> str:
    """Return the first line of another library's message, shortened, or the error's type."""
    lines = str(error).strip().splitlines()
    line = "".join(c if c.isprintable() else " " for c in lines[0]) if lines else ""
    return shorten(line, 200, placeholder=" ...") or type(error).__name__
