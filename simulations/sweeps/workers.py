"""Who runs the tasks of a sweep: this process, a local cluster, or a scheduler elsewhere?

Dask hands a task whose worker was killed to another one, where process pools give up the whole
batch. A task that kills worker after worker is given up after a few.
"""

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from simulations.machine.backends import device_count
from simulations.machine.files import DiskError
from simulations.machine.processes import interrupts_held
from simulations.machine.threads import cores, one_thread_each
from simulations.sweeps.config import RunSettings
from simulations.sweeps.task import Compute, Order, StopError, any_device, compute_task, run_task
from theory.arrays import InputError

_KILLED_BEFORE_GIVEN_UP = 1
_WAITING_PER_WORKER = 4
_LEAST_WAITING = 16  # a cluster that starts with no worker grows by what waits for one
_COUNT_AGAIN_SECONDS = 1.0
_CONNECT_SECONDS = 20
_AWAY_SECONDS = 15.0


@dataclass(frozen=True)
class Failure:
    """Why a task has no result: it raised, its workers died, or nothing can go on."""

    kind: Literal["raised", "lost", "stop"]
    error: str
    traceback: str = ""


Outcomes: TypeAlias = Iterator[tuple[Any, Failure | None]]
RunTasks: TypeAlias = Callable[[Iterable[tuple[Any, Order]]], Outcomes]


def attempt(order: Order, compute: Compute = compute_task) -> Failure | None:
    """Run a task and return its failure as text, since not every exception can travel."""
    try:
        run_task(order, compute)
    except (DiskError, StopError) as error:
        return Failure("stop", str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a cell raises is its failure
        return Failure("raised", f"{type(error).__name__}: {error}", traceback.format_exc())
    return None


def default_workers(run: RunSettings) -> int:
    """Return one worker a device where a sweep wants those, else one a core."""
    if run.backend == "numpy" or run.device == "cpu":
        return cores()
    if any_device(run):
        return max(1, device_count(run.backend))
    return 1 if run.device else cores()


@contextmanager
def task_results(*, workers: int, scheduler: str | None, compute: Compute) -> Iterator[RunTasks]:
    """Give a function that runs tasks and yields each one's tag with its failure, or None.

    Raises: InputError if Dask is needed and not installed, or the scheduler does not answer
    """
    if scheduler is None and workers == 0:
        yield lambda orders: ((tag, attempt(order, compute)) for tag, order in orders)
        return
    require_dask()
    import dask
    import distributed

    settings = {
        "distributed.scheduler.allowed-failures": _KILLED_BEFORE_GIVEN_UP,
        "distributed.admin.tick.limit": "1h",  # a worker deep in a BLAS call is no fault
    }
    with dask.config.set(settings):
        if scheduler is not None:
            with _connect(distributed, scheduler) as client:
                yield lambda orders: _run_on(client, orders, compute)
            return
        with (
            one_thread_each(workers),
            _interrupted_once(),
            _local_client(distributed, workers) as client,
        ):
            yield lambda orders: _run_on(client, orders, compute)


@contextmanager
def _interrupted_once() -> Iterator[None]:
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
def _local_client(distributed: Any, workers: int) -> Iterator[Any]:
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
    while not ended.wait(_COUNT_AGAIN_SECONDS):
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


def require_dask() -> None:
    """Refuse workers where there is nothing to run them with.

    Raises: InputError if Dask is not installed
    """
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError(
            "workers must be 0 unless Dask is installed: pip install 'oversmooth[sweep]'"
        ) from error
    del dask


def _connect(distributed: Any, scheduler: str) -> Any:
    try:
        return distributed.Client(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"scheduler must be the address of a running Dask scheduler, but {scheduler} does "
            f"not answer: {error}"
        ) from error


def _run_on(client: Any, orders: Iterable[tuple[Any, Order]], compute: Compute) -> Outcomes:
    """Keep a few tasks waiting for every worker, however many there are in all."""
    import distributed

    waiting = iter(orders)
    tags: dict[Any, Any] = {}
    finished = distributed.as_completed(loop=client.loop)
    counted_at, wanted = -_COUNT_AGAIN_SECONDS, 0

    def top_up() -> None:
        nonlocal counted_at, wanted
        if time.monotonic() > counted_at + _COUNT_AGAIN_SECONDS:  # it asks the scheduler
            threads = sum(client.nthreads().values())
            counted_at, wanted = (
                time.monotonic(),
                max(_LEAST_WAITING, _WAITING_PER_WORKER * threads),
            )
        while len(tags) < wanted:
            following = next(waiting, None)
            if following is None:
                return
            tag, order = following
            future = client.submit(attempt, order, compute, pure=False)
            tags[future] = tag
            finished.add(future)

    top_up()
    try:
        for future in finished:
            tag = tags.pop(future)
            yield tag, _outcome(distributed, future)
            future.release()
            top_up()
    finally:
        if tags:
            client.cancel(list(tags), force=True)


def _outcome(distributed: Any, future: Any) -> Failure | None:
    """Return what a worker answered, or what became of it."""
    error = future.exception()
    if error is None:
        answer: Failure | None = future.result()
        return answer
    if isinstance(error, distributed.KilledWorker):
        died = error.allowed_failures + 1
        return Failure("lost", f"{died} workers died while they computed it")
    return Failure("stop", f"the workers cannot run a task: {type(error).__name__}: {error}")
