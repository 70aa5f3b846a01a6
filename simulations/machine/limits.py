"""Is there room for what is asked, before any of it is taken?"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from simulations.machine.words import in_words, told
from theory.arrays import InputError

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int:
    """Return the memory that this process could ever have: the machine's, or what it is allowed."""
    found = []
    with suppress(ValueError, OSError, AttributeError):  # Windows
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _CGROUPS:
        with suppress(ValueError, OSError):  # "max", or no such file
            found.append(int(Path(path).read_text(encoding="ascii")))
    with suppress(ImportError):  # Windows
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            found.append(limit)
    return min((each for each in found if each > 0), default=2**40)


def require_memory(needed: Callable[..., int], **sizes: int) -> None:
    """Raise InputError if what the sizes need is more than there can be; the worst size is named.

    ``needed(**sizes)`` is a number of bytes, rather too few than too many: a question that could
    be answered must not be refused. The worst size is the one without which least is left.
    """
    wanted, there = needed(**sizes), memory_bytes()
    if wanted <= there:
        return
    worst = min(sizes, key=lambda name: needed(**_with(sizes, name)))
    raise InputError(
        f"{worst} must be smaller, but is {told(sizes[worst])}: there is not enough memory for "
        f"this, which takes {in_words(wanted)} or more where this machine has {in_words(there)}"
    )


def _with(sizes: Mapping[str, int], name: str) -> dict[str, int]:
    return {**sizes, name: 1}
