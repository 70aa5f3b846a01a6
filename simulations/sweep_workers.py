"""Who runs the tasks of a sweep: this process, a local cluster, or a scheduler elsewhere?

Dask hands a task whose worker was killed to another one, where process pools give up the whole
batch. A task that kills worker after worker is given up after a few.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from simulations.engine_processes import one_thread_each
from theory.arrays import InputError

Call = tuple[Any, ...]
Results = Iterator[tuple[Any, BaseException | None]]
Run = Callable[[Iterable[tuple[Any, Call]]], Results]

_KILLED_BEFORE_GIVEN_UP = 2
_WAITING_PER_WORKER = 4
_CONNECT_SECONDS = 20


class WorkerLostError(Exception):
    """Every worker that tried a task died of it."""


@contextmanager
def task_results(*, workers: int, scheduler: str | None) -> Iterator[Run]:
    """Give a function that runs calls and yields each one's tag with its error, or None.

    Raises: InputError if Dask is needed and not installed, or the scheduler does not answer
    """
    if scheduler is None and workers == 0:
        yield _run_here
        return
    try:
        import dask
        import distributed
    except ImportError as error:
        raise InputError(
            "workers must be 0 unless Dask is installed: pip install 'oversmooth[sweep]'"
        ) from error
    settings = {
        "distributed.scheduler.allowed-failures": _KILLED_BEFORE_GIVEN_UP,
        "distributed.admin.tick.limit": "1h",  # a worker deep in a BLAS call is no fault
    }
    with dask.config.set(settings):
        if scheduler is not None:
            with _connect(distributed, scheduler) as client:
                yield lambda calls: _run_on(client, calls)
            return
        with (
            one_thread_each(workers),
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                memory_limit=0,  # the engine's chunks are small: nothing to stop or to spill
                silence_logs=50,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield lambda calls: _run_on(client, calls)


def _connect(distributed: Any, scheduler: str) -> Any:
    try:
        return distributed.Client(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"scheduler must be the address of a running Dask scheduler, but {scheduler} does "
            f"not answer: {error}"
        ) from error


def _run_here(calls: Iterable[tuple[Any, Call]]) -> Results:
    for tag, (function, *arguments) in calls:
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001  whatever a cell raises is that cell's failure
            yield tag, error
        else:
            yield tag, None


def _run_on(client: Any, calls: Iterable[tuple[Any, Call]]) -> Results:
    """Keep a few tasks waiting for every worker, however many there are in all."""
    import distributed

    waiting = iter(calls)
    tags: dict[Any, Any] = {}
    finished = distributed.as_completed()

    def top_up() -> None:
        wanted = _WAITING_PER_WORKER * max(1, sum(client.nthreads().values()))
        while len(tags) < wanted:
            following = next(waiting, None)
            if following is None:
                return
            tag, (function, *arguments) = following
            future = client.submit(function, *arguments, pure=False)
            tags[future.key] = tag
            finished.add(future)

    top_up()
    try:
        for future in finished:
            tag = tags.pop(future.key)
            error = future.exception()
            future.release()
            if isinstance(error, distributed.KilledWorker):
                error = WorkerLostError(
                    f"{_KILLED_BEFORE_GIVEN_UP + 1} workers died while they computed this cell"
                )
            yield tag, error
            top_up()
    finally:
        with_left = list(tags)
        if with_left:
            client.cancel([distributed.Future(key, client) for key in with_left])
