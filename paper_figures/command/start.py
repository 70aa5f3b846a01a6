"""How does the command start and end, so that Ctrl-C is heard at any moment of it?

Python hears Ctrl-C between two steps of its own, so not while LAPACK is at work on a large matrix.
A thread is told at once; if nothing was heard after a moment, it ends the process. Only the command
does that: a library that ends its process would be none.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

_STOPPED = 130  # what a shell gives a command that Ctrl-C ended
_PATIENCE_SECONDS = 1.0
_LINE = b"oversmooth: stopped\n"
_heard = threading.Event()


def start() -> int:
    """Run the command in this process, which is its own, and end it with its exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # nohup, a shell's `&`
        return _run()
    _listen()
    try:
        code = _run()
    except BaseException:  # Ctrl-C while it was still loading may become an ImportError
        if _heard.is_set():
            _end()
        raise
    if code == _STOPPED:  # what it said it stopped: nothing of what is left is waited for
        _leave()
    return code


def _run() -> int:
    from paper_figures.command.main import main  # takes a while, in which Ctrl-C may come

    return main()


def _listen() -> None:
    """Hear Ctrl-C as Python does, and in a thread that needs no step of the main one."""
    signal.signal(signal.SIGINT, _hear)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # No thread but the main one is to take the signal: it may be held there while workers start.
    before = _masked()
    threading.Thread(target=_watch, args=(reading,), name="ctrl-c", daemon=True).start()
    before()


def _masked() -> Callable[[], object]:
    """Hold Ctrl-C back, which a new thread inherits; return what lets it through again."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return lambda: None
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    return lambda: signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _hear(number: int, frame: FrameType | None) -> None:
    _heard.set()
    signal.default_int_handler(number, frame)


def _watch(reading: int) -> None:
    while os.read(reading, 1) != bytes([signal.SIGINT]):
        pass
    if not _heard.wait(_PATIENCE_SECONDS):
        _end()


def _end() -> NoReturn:
    """Say that the command stopped and end it here, and the processes that it started."""
    with suppress(OSError):
        os.write(2, _LINE)
    _end_children()
    os._exit(_STOPPED)


def _leave() -> None:
    """Let Python end as it does, for as long as a moment and without another word.

    What waits for its turn at the end, as Dask's and that of multiprocessing, tidies up after an
    orderly stop; half-started workers may keep it for ever, and fill pages.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the impatient press it again
    _end_children()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    late = threading.Timer(_PATIENCE_SECONDS, os._exit, [_STOPPED])
    late.daemon = True
    late.start()


def _end_children() -> None:
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for child in multiprocessing.active_children():
            with suppress(OSError, ValueError):
                child.kill()
