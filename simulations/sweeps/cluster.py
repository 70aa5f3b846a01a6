"""How does a local cluster start, live through the death of its workers, and end at one Ctrl-C?"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from simulations.machine.processes import interrupts_held

COUNT_AGAIN_SECONDS = 1.0
_AWAY_SECONDS = 15.0


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first Ctrl-C stop the sweep, and those after it not disturb the end of its workers.

    That takes some seconds; SIGTERM ends all at once, and loses no more.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # only there can it be heard, and only Python's own handlers can be kept
        return

    def once(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        before(number, frame)

    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def local_client(distributed: Any, workers: int) -> Iterator[Any]:
    """Start workers here. Ctrl-C reaches all processes of a terminal, but is for this one alone.

    It is held while they start: they inherit that, and those that replace them, and a cluster
    that is interrupted while it starts leaves with pages of complaints.
    """
    with ExitStack() as opened:
        with interrupts_held():
            cluster = opened.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",  # None is port 8787, another sweep's maybe
                    memory_limit=0,  # the engine's chunks are small: nothing to stop or to spill
                    silence_logs=50,
                )
            )
            client = opened.enter_context(distributed.Client(cluster))
            opened.enter_context(_kept_up(cluster))
        yield client


@contextmanager
def _kept_up(cluster: Any) -> Iterator[None]:
    """Start workers anew that stay away.

    Dask leaves a worker dead that dies before it was seen to start, as one does whose first task
    is deadly; without workers a sweep would wait for ever.
    """
    ended = threading.Event()
    keeper = threading.Thread(target=_keep_up, args=(cluster, ended), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def _keep_up(cluster: Any, ended: threading.Event) -> None:
    patience = _AWAY_SECONDS
    seen = dict.fromkeys(cluster.worker_spec, time.monotonic())
    while not ended.wait(COUNT_AGAIN_SECONDS):
        now = time.monotonic()
        seen |= {worker.name: now for worker in list(cluster.scheduler.workers.values())}
        for name in [name for name, at in seen.items() if now > at + patience]:
            patience *= 2  # the machine may be slow: two starts must not chase each other
            _start_anew(cluster, name, ended)
            seen[name] = time.monotonic()


def _start_anew(cluster: Any, name: Any, ended: threading.Event) -> None:
    wanted = cluster.worker_spec.pop(name)
    cluster.scale(len(cluster.worker_spec))  # to those wanted: what is not is closed
    while name in cluster.workers and not ended.wait(0.05):
        pass
    cluster.worker_spec[name] = wanted
    if not ended.is_set():
        cluster.scale(len(cluster.worker_spec))
