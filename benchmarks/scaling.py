"""How do time and memory of a survey grow with each of its sizes, and what do a million stacks cost?

    python -m benchmarks.scaling

Every size is doubled three times with the others held. Times are processor times of one thread,
the least of a few; memory is the peak of what is allocated beside what was there.
"""

import gc
import math
import sys
import tracemalloc
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.rows import DEFAULT, seconds
from simulations.engine.surveys import grid, survey
from simulations.machine.backends import backend
from simulations.stacks.stack import Stack

OCTAVES = 3
TURNS = 3


class Sizes(NamedTuple):
    """How large a survey is."""

    tokens: int = 32
    width: int = 32
    depth: int = 4
    cells: int = 2
    seeds: int = 2


class Growth(NamedTuple):
    """Milliseconds and megabytes of one size, doubled again and again."""

    name: str
    sizes: list[int]
    times: list[float]
    memory: list[float]

    @property
    def exponents(self) -> list[float]:
        """By which power of the size the time grew from each to the next."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return [math.log2(later / earlier) for earlier, later in pairs]


def measure(sizes: Sizes, *, turns: int = TURNS) -> tuple[float, float]:
    """Return the milliseconds and the megabytes of a survey, all measures in float32."""
    made = Stack(
        depth=sizes.depth, tokens=sizes.tokens, width=sizes.width, heads=4,
        ffn_width=4 * sizes.width, activation="relu",
    )  # fmt: skip
    cells = grid(made, value_gain=[1 + i / sizes.cells for i in range(sizes.cells)])
    on = backend(dtype="float32")

    def run() -> None:
        survey(cells, seeds=range(sizes.seeds), on=on, quantities=DEFAULT)

    run()
    best = min(seconds(run) for _ in range(turns))
    gc.collect()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return 1e3 * best, peak / 1e6


def grow(base: Sizes, *, octaves: int = OCTAVES, turns: int = TURNS) -> Iterator[Growth]:
    """Yield how time and memory grow with each size."""
    for name, start in base._asdict().items():
        sizes = [start * 2**i for i in range(octaves + 1)]
        found = [measure(base._replace(**{name: size}), turns=turns) for size in sizes]
        times, memory = zip(*found, strict=True)
        yield Growth(name, sizes, list(times), list(memory))


def table(found: list[Growth]) -> str:
    """Return the growths as a table in Markdown."""
    lines = [
        "| doubled | sizes | milliseconds | power, octave by octave | megabytes |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in found:
        columns = [
            each.name,
            ", ".join(map(str, each.sizes)),
            ", ".join(f"{x:.3g}" for x in each.times),
            ", ".join(f"{x:.2f}" for x in each.exponents),
            ", ".join(f"{x:.3g}" for x in each.memory),
        ]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines)


def million(milliseconds: float, *, machines: int, cores: int) -> float:
    """Return the hours that a million stacks take, one process a core."""
    return milliseconds / 1e3 * 1e6 / 3600 / (machines * cores)


def main() -> int:
    """Print the table, and what a million stacks of 24 layers would cost at this rate."""
    base = Sizes()
    words = ", ".join(f"{name} {size}" for name, size in base._asdict().items())
    sys.stdout.write(f"{table(list(grow(base)))}\n\nHeld: {words}, 4 heads, all measures, float32.\n")
    large = Sizes(64, 64, 24, 8, 1)
    each = measure(large)[0] / large.cells
    for machines, cores in ((1, 16), (100, 16)):
        hours = million(each, machines=machines, cores=cores)
        what = f"{machines} machine{'s' * (machines > 1)} of {cores} cores"
        sys.stdout.write(
            f"A million stacks of 24 layers, n = d = 64, at {each:.3g} ms each, on {what}: "
            f"{hours:.2g} hours, were all cores as fast as this one alone.\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
