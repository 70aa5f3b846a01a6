"""How many cores are there, and how is each process kept to one thread of them?"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
)


@contextmanager
def one_thread_each(processes: int) -> Iterator[None]:
    """Give children started inside one thread each, unless the user has said how many.

    Warns: if there are more threads than cores, which is slower than fewer
    """
    threads = max([1, *(int(v) for v in map(os.environ.get, THREADS) if v and v.isdecimal())])
    if processes * threads > cores():
        warnings.warn(
            f"{processes} processes with {threads} BLAS thread(s) each are more than the "
            f"{cores()} cores here, and slower than fewer: take fewer processes"
            + (f", or unset {', '.join(n for n in THREADS if n in os.environ)}" * (threads > 1)),
            RuntimeWarning,
            stacklevel=4,
        )
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update({name: "1" for name, value in before.items() if value is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
