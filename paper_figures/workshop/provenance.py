"""Where did a figure come from: which command, seed, versions and commit made it?"""

import platform
from collections.abc import Iterable

from simulations.machine.provenance import commit, version

_LIBRARIES = ("oversmooth", "numpy", "scipy", "matplotlib", "networkx")


def provenance(
    name: str, *, quick: bool, seed: int, packages: Iterable[str] = ()
) -> dict[str, str | int]:
    """Describe a run well enough to repeat it; no date and no path, so that repeats agree."""
    command = f"oversmooth figures {name} --seed {seed}" + (" --quick" if quick else "")
    record: dict[str, str | int] = {
        "command": command,
        "seed": seed,
        "commit": commit(),
        "python": platform.python_version(),
    }
    for library in (*_LIBRARIES, *packages):
        record[library] = version(library)
    return record
