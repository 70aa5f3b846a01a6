"""How do time and memory grow with each size of a survey, and what do a million stacks cost?

    python -m benchmarks.scaling [--keep]

``--keep`` puts what is printed into docs/scaling.md, in the place of what is there.

Every size is doubled three times with the others held. Times are processor times of one thread,
the least of a few; memory is the peak of what is allocated beside what was there.
"""

import argparse
import datetime
import gc
import math
import re
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.bench import commit, machine
from benchmarks.rows import DEFAULT, seconds
from simulations.engine.surveys import grid, survey
from simulations.machine.backends import backend
from simulations.stacks.stack import Stack

OCTAVES: Final = 3
TURNS: Final = 3
CORES: Final = 16  # of a machine that a million stacks are reckoned for
DOCS: Final = Path(__file__).parents[1] / "docs" / "scaling.md"
PLACE: Final = re.compile(r"<!-- scaling -->.*<!-- end of scaling -->", re.DOTALL)


class Sizes(NamedTuple):
    """How large a survey is."""

    tokens: int = 32
    width: int = 32
    depth: int = 4
    cells: int = 4
    seeds: int = 8


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


def report() -> str:
    """Return the table, what a million stacks cost at this rate, and the conditions."""
    base, large = Sizes(), Sizes(64, 64, 24, 8, 1)
    words = ", ".join(f"{name} {size}" for name, size in base._asdict().items())
    parts = [table(list(grow(base)))]
    each = measure(large)[0] / large.cells
    one, many = (million(each, machines=machines, cores=CORES) for machines in (1, 100))
    parts.append(
        f"Held: {words}, 4 heads. A million stacks of 24 layers, n = d = 64, 8 cells a draw, at "
        f"{each:.3g} ms each: {one * CORES:.3g} core hours, so {one:.2g} hours on one machine of "
        f"{CORES} cores and {60 * many:.2g} minutes on 100, if no core slows another down."
    )
    there = machine()
    kernels = there["blas"][0].get("architecture", "unknown BLAS")
    load = ", ".join(f"{each:.1f}" for each in there["load"] or ())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    parts.append(
        f"{today}, commit {commit()}, {there['processor']}, {kernels} kernels, load {load}."
    )
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report, and keep it if asked to."""
    parser = argparse.ArgumentParser(prog="scaling", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--keep", action="store_true", help="write it into docs/scaling.md")
    options = parser.parse_args(argv)
    found = report()
    sys.stdout.write(found + "\n")
    if options.keep:
        new = f"<!-- scaling -->\n\n{found}\n\n<!-- end of scaling -->"
        DOCS.write_text(PLACE.sub(lambda _: new, DOCS.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
