"""How is a survey spread over processes, one for each core?

A BLAS that starts threads of its own in each of several processes makes them wait for each other:
two processes with two threads each on two cores ran at .4 of the speed of one. So a child gets one
BLAS thread, by the variables that the libraries read when they are loaded; that is why children
are spawned, not forked.
"""

import multiprocessing
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from simulations.engine.surveys import DEFAULT_QUANTITIES, Quantity, Survey, join_surveys, survey
from simulations.machine.backends import Backend, backend
from simulations.machine.threads import one_thread_each
from simulations.stacks.stack import Stack
from theory.arrays import Array, InputError


def survey_in_processes(
    cells: Sequence[Stack],
    *,
    processes: int,
    seeds: range,
    mask: Array | None = None,
    on: Backend | None = None,
    quantities: Collection[Quantity] = DEFAULT_QUANTITIES,
    tolerance: float = 1e-2,
    chunk_bytes: int | None = None,
) -> Survey:
    """Return what `survey` returns, from so many processes with a share of the seeds each.

    A call from a script needs the usual ``if __name__ == "__main__":``. The draws are the same;
    the readings are those of `survey` with the shares' chunks.

    Raises: InputError if processes is not positive, or as `survey` does
    """
    if processes < 1:
        raise InputError(f"processes must be at least 1, but is {processes}")
    on = backend() if on is None else on
    options: dict[str, Any] = {"mask": mask, "quantities": tuple(quantities)}
    options |= {"tolerance": tolerance, "chunk_bytes": chunk_bytes}
    shares = [seeds[i * len(seeds) // processes : (i + 1) * len(seeds) // processes]
              for i in range(processes)]  # fmt: skip
    shares = [share for share in shares if share]
    if len(shares) < 2:
        return survey(cells, seeds=seeds, on=on, **options)
    dtype = "float32" if on.dtype == on.xp.float32 else "float64"
    device = None if on.device is None else str(on.device)
    with one_thread_each(len(shares)), _pool(len(shares)) as pool:
        jobs = [
            pool.submit(_share, list(cells), share, on.name, device, dtype, options)
            for share in shares
        ]
        parts = [job.result() for job in jobs]
    return join_surveys(parts)


def _pool(processes: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn)


def _share(
    cells: list[Stack], seeds: range, name: str, device: str | None, dtype: str, options: Any
) -> Survey:
    return survey(cells, seeds=seeds, on=backend(name, device=device, dtype=dtype), **options)
