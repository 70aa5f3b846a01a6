"""Who works at a folder or a run, so that no two processes do the same work?"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from simulations.machine.files import refused
from theory.arrays import InputError

_LOCK_SECONDS = 1.0


@contextlib.contextmanager
def held(path: Path, *, what: str, why: str) -> Iterator[None]:
    """Hold a file for this process; the lock goes with the process, however it ends.

    ``what`` is held by that, and ``why`` not by two: both are for the errors.

    Raises: InputError if another process holds it, or the file system knows no locks
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise refused(path.parent, error) from error
    try:
        _take(handle, what, why)
        with contextlib.suppress(OSError):  # the name is a courtesy; a full disk refuses later
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {os.uname().nodename}".encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int, what: str, why: str) -> None:
    limit = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < limit:  # `is_held` may have it for a moment
                time.sleep(0.02)
                continue
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
            raise InputError(f"{what} is in use by {holder}: {why}") from None
        except OSError as error:
            raise InputError(
                f"{what} must be on a file system that can lock files, so that no two processes "
                f"do the same work: {error.strerror}"
            ) from error
        return


def is_held(path: Path) -> bool:
    """Whether some process holds a file with `held`."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
