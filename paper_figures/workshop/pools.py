"""How are figures built side by side, each process with one thread for linear algebra?

The matrices here are small and many: two threads that share each of them wait for each other
longer than they work, on a busy machine for minutes. One thread also adds in one order, so the
numbers do not depend on how many cores there are.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def run_lanes(
    lanes: Sequence[Sequence[_Task]],
    job: Callable[[_Task], _Result],
    *,
    failed: Callable[[_Task, BaseException], _Result],
    on_start: Callable[[_Task], None],
    on_end: Callable[[_Task, _Result], None],
) -> None:
    """Run ``job`` on every task: each lane in a process of its own, in order.

    A process that dies, of lack of memory say, costs its lane: ``failed`` gives the results.
    """
    with _one_thread(), _pools(len(lanes)) as pools:
        queues = [list(lane) for lane in lanes]
        running: dict[Future[_Result], tuple[int, _Task]] = {}

        def start(lane: int) -> None:
            if queues[lane]:
                task = queues[lane].pop(0)
                on_start(task)
                try:
                    running[pools[lane].submit(job, task)] = (lane, task)
                except RuntimeError as error:  # its process has died already
                    on_end(task, failed(task, error))
                    start(lane)

        for lane in range(len(lanes)):
            start(lane)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                lane, task = running.pop(future)
                error = future.exception()
                on_end(task, future.result() if error is None else failed(task, error))
                start(lane)


@contextmanager
def _pools(number: int) -> Iterator[list[ProcessPoolExecutor]]:
    """Give pools of one new process each; on the way out, what has not begun is dropped."""
    context = get_context("spawn")  # a forked child would keep the parent's threads
    pools = [ProcessPoolExecutor(1, mp_context=context) for _ in range(number)]
    try:
        yield pools
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start meanwhile use one thread, unless the user chose a number."""
    chosen = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(chosen, "1"))
    try:
        yield
    finally:
        for name in chosen:
            os.environ.pop(name, None)
