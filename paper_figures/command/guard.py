"""What is said of an error, in one line and with which exit code, whatever raised it?"""

import errno
import os
import traceback
from collections.abc import Iterator

from paper_figures.command.terminal import complain, err

TRACEBACK = "OVERSMOOTH_TRACEBACK"
"""The environment variable that asks for the traceback of what should not happen."""
_STOPPED, _WRONG = 130, 2


def exit_code(error: BaseException) -> int:
    """Say what happened, and return the exit code: 130 for Ctrl-C, 0 for a reader that left.

    Everything else is 2, with a traceback only where `TRACEBACK` asks for it. SystemExit is
    raised again: whoever raised it has said all. (rich raises it in the place of a broken pipe.)
    """
    if any(isinstance(each, KeyboardInterrupt) for each in _behind(error)):
        complain("stopped")
        return _STOPPED
    if any(isinstance(each, BrokenPipeError) for each in _behind(error)):
        return 0
    if isinstance(error, SystemExit | GeneratorExit):
        raise error
    if os.environ.get(TRACEBACK):
        err.print("".join(traceback.format_exception(error)), highlight=False, markup=False)
    complain(_line(error))
    return _WRONG


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came of: an import that Ctrl-C breaks may raise an ImportError."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _line(error: BaseException) -> str:
    from theory.arrays import InputError  # it imports NumPy, which is there by now, if needed

    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"there is not enough memory for this; ask for less ({error})"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open at once: allow more of them (ulimit -n 1024)"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _OF_OUTPUT:
        return f"the output cannot be written: {error}"
    told = " ".join(str(error).split())
    return (
        f"internal error: {type(error).__name__}: {told}; this should not happen, please report "
        f"it; set {TRACEBACK}=1 to see where"
    )


_OF_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG, errno.EROFS}
