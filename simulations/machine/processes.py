"""How does work run in other processes that end when this one does?

The standard pool leaves three things open. A child waits for work for ever once its parent was
killed; a Ctrl-C that reaches all of them makes each print a traceback; and one that reaches the
parent alone lets it wait for whatever the children are at.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.resource_tracker import ensure_running
from typing import Any, TypeVar

from simulations.machine.threads import one_thread_each
from theory.arrays import InputError

_T = TypeVar("_T")


def each_in_processes(
    do: Callable[..., _T], calls: Sequence[tuple[Any, ...]], *, workers: int
) -> Generator[tuple[int, _T], None, None]:
    """Yield the number of each call and what it returned, as soon as it did.

    The next call starts as soon as one of the workers is free. Closing the generator early ends
    the workers at once: see `contextlib.closing`.

    Raises: InputError if a worker dies
    """
    spawn = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with one_thread_each(workers):
        pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_end_with_parent)
        try:
            with interrupts_held():
                jobs: dict[Future[_T], int] = {
                    pool.submit(do, *call): number for number, call in enumerate(calls)
                }
            for job in as_completed(jobs):
                yield jobs[job], job.result()
            pool.shutdown()
        except BrokenProcessPool as error:
            raise InputError(
                "workers must be fewer: a process ended without an answer, perhaps for lack of "
                "memory; workers=1 runs everything in this one"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()  # it is busy with what nobody waits for


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C for later: children that are started meanwhile never see it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    ensure_running()  # it unblocks Ctrl-C when it starts, so must not start in here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it does, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(parent: int) -> None:
    wait([parent])
    os._exit(1)
