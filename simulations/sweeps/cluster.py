"""How does a local cluster start, live through the death of its workers, and end at one Ctrl-C?"""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from simulations.machine.processes import interrupts_held
from theory.arrays import InputError

COUNT_AGAIN_SECONDS = 1.0
_AWAY_SECONDS = 15.0


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first Ctrl-C stop the sweep, and those after it not disturb the end of its workers.

    SIGTERM ends all at once, and loses no more.
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

    They are started by a thread that holds it back, and inherit that, as do those that replace
    them. A cluster that is interrupted while it starts leaves with pages of complaints; so it is
    left to that thread, and its workers end.
    """
    others = set(multiprocessing.active_children())
    cluster = _started(
        lambda: distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # None is port 8787, another sweep's maybe
            memory_limit=0,  # the engine's chunks are small: nothing to stop or to spill
            silence_logs=50,
        ),
        others,
    )
    with ExitStack() as opened:
        with interrupts_held():
            opened.enter_context(cluster)
            opened.enter_context(_killed_if_stopped(cluster, others))
            client = opened.enter_context(distributed.Client(cluster))
            opened.enter_context(_kept_up(cluster))
        yield client


def _started(make: Callable[[], Any], others: set[Any]) -> Any:
    """Return the cluster that a thread makes, which Ctrl-C does not reach; hear it here meanwhile.

    ``others`` are the child processes from before.

    Raises: KeyboardInterrupt, with the processes ended that were started by then; InputError if
            they cannot be started
    """
    made: Future[Any] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            made.set_exception(error)

    with interrupts_held():
        threading.Thread(target=work, daemon=True).start()
    try:
        return made.result()
    except (OSError, RuntimeError, TimeoutError) as error:
        raise InputError(
            f"workers must be fewer, or 0, since so many cannot be started: {error} (few files "
            "may be open at a time: see ulimit -n; or there is little memory)"
        ) from error
    except KeyboardInterrupt:
        _kill(others)
        made.add_done_callback(_close)
        raise


def _close(made: "Future[Any]") -> None:
    with suppress(Exception):  # its workers are gone already
        made.result().close()


def _kill(others: set[Any]) -> None:
    for child in set(multiprocessing.active_children()) - others:
        child.kill()


@contextmanager
def _killed_if_stopped(cluster: Any, others: set[Any]) -> Iterator[None]:
    """Kill the workers if a sweep is broken off, as by Ctrl-C: nobody waits for what they do.

    Asked to end, a busy one would go on until its nanny loses patience, after four seconds.
    """
    try:
        yield
    except BaseException:
        for nanny in list(cluster.workers.values()):
            nanny.auto_restart = False
        _kill(others)
        raise


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
