"""Who runs the tasks of a sweep: this process, a local cluster, or a scheduler elsewhere?

Dask hands a task whose worker was killed to another one, where process pools give up the whole
batch. A task that kills worker after worker is given up after a few.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from simulations.machine.backends import device_count
from simulations.machine.files import DiskError
from simulations.machine.threads import cores, one_thread_each
from simulations.sweeps.cluster import COUNT_AGAIN_SECONDS, interrupted_once, local_client
from simulations.sweeps.config import RunSettings
from simulations.sweeps.task import Compute, Order, StopError, any_device, compute_task, run_task
from theory.arrays import InputError

_KILLED_BEFORE_GIVEN_UP = 1
_WAITING_PER_WORKER = 4
_LEAST_WAITING = 16  # a cluster that starts with no worker grows by what waits for one
_CONNECT_SECONDS = 20


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
            interrupted_once(),
            local_client(distributed, workers) as client,
        ):
            yield lambda orders: _run_on(client, orders, compute)


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
    counted_at, wanted = -COUNT_AGAIN_SECONDS, 0

    def top_up() -> None:
        nonlocal counted_at, wanted
        if time.monotonic() > counted_at + COUNT_AGAIN_SECONDS:  # it asks the scheduler
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
