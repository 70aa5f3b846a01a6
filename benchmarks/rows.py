"""Which numbers make up the table, and how is each measured?

Times are processor times of one process with one BLAS thread: on a quiet machine what the clock
shows, on a shared one nearly free of the others. What is compared runs in turns, many times over;
a row is the median of the ratios of neighbours. Only the rows for several processes and for a
device use the clock.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

import numpy as np

from benchmarks import reference
from simulations.engine.chunk import hold_memory, plan_chunk, run_chunk
from simulations.engine.draws import Draws
from simulations.engine.measures import attention_coefficients, attention_of, measure_tile
from simulations.engine.scales import cell_scales
from simulations.engine.spectra import WeightBrackets, weight_brackets
from simulations.engine.step import step
from simulations.engine.surveys import HOST_BYTES, Quantity, grid, survey
from simulations.machine.backends import Backend, backend
from simulations.stacks.stack import Stack
from simulations.stacks.weights import Weights

DEFAULT: tuple[Quantity, ...] = ("cosine_similarity", "distance", "coefficients")
RANK: tuple[Quantity, ...] = (*DEFAULT, "participation_rank")
ENTROPY: tuple[Quantity, ...] = (*RANK, "effective_rank")


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, and the goal that it is held against."""

    key: str
    what: str
    figure: float
    goal: float | None
    better: Literal["more", "less"]
    unit: str = "x"
    note: str = ""
    others: Mapping[str, float] | None = None  # what was compared, with its figures

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where none was set."""
        if self.goal is None:
            return None
        return self.figure >= self.goal if self.better == "more" else self.figure <= self.goal


@dataclass(frozen=True)
class Size:
    """How long the benchmark takes: turns, and the number of seeds in a survey."""

    turns: int
    seeds: int
    depth: int
    long: bool  # BERT-sized rows too


FULL = Size(turns=11, seeds=32, depth=6, long=True)
TINY = Size(turns=1, seeds=2, depth=1, long=False)


def stack(n: int, d: int, h: int, *, depth: int = 1) -> Stack:
    """Return a post-LN stack with ReLU, the block of the theorem."""
    return Stack(depth=depth, tokens=n, width=d, heads=h, ffn_width=4 * d, activation="relu")


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """Return the processor time of one call."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def ratios(pairs: Iterator[tuple[float, float]]) -> float:
    """Return the median of first / second."""
    return median(first / second for first, second in pairs)


def gemm_rate(dtype: str) -> float:
    """Return the multiply-adds, counted as two operations, that large products reach a second."""
    matrix = np.random.default_rng(0).standard_normal((512, 512)).astype(dtype)
    out = np.empty_like(matrix)
    best = min(seconds(lambda: np.matmul(matrix, matrix, out=out), 2) for _ in range(3))
    return float(2 * len(matrix) ** 3 / best)


def operations(made: Stack) -> int:
    """Return the operations of the products in one block, on one sentence."""
    n, d, f = made.tokens, made.width, made.ffn_width
    return 2 * n * (4 * d * d + 2 * d * f) + 4 * n * n * d


@dataclass(frozen=True)
class Prepared:
    """One layer, ready to be run: what a forward pass needs, nothing drawn."""

    stack: Stack
    weights: Weights
    tokens: Any
    scales: Any

    def forward(self) -> None:
        """Run the layer."""
        step(self.stack, self.weights, self.scales, self.tokens, None)

    def measured(self, quantities: Sequence[str], *, norms: Any) -> None:
        """Run the layer and measure all."""
        after = step(self.stack, self.weights, self.scales, self.tokens, None)
        measure_tile(after.tokens, quantities=quantities)
        attention_coefficients(attention_of(after), norms, tolerance=1e-2)


def prepared(made: Stack, dtype: str, *, seeds: int, cells: int) -> Prepared:
    """Return a layer with drawn weights, and tokens of its own for every seed and cell."""
    on = backend(dtype=dtype)
    hold_memory()
    draws = Draws(made, seeds=range(seeds), on=on)
    weights = draws.part(0, slice(0, seeds))
    shape = (seeds, cells, made.tokens, made.width)
    tokens = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    tokens -= tokens.mean(axis=-1, keepdims=True)
    return Prepared(made, weights, tokens, cell_scales([made] * cells, on=on))


def forward_rows(size: Size) -> list[Row]:
    """Measure plain forward passes against the machine's own limit."""
    shapes = [("n = d = 64", stack(64, 64, 4), 60.0), ("n = d = 32", stack(32, 32, 4), 45.0)]
    if size.long:
        shapes.append(("BERT-size, n = 128", stack(128, 768, 12), 92.0))
    rows = []
    for name, made, goal in shapes:
        big = made.width > 256
        run = prepared(
            made, "float32", seeds=1 if big else 24 if made.width < 64 else 6, cells=8 if big else 1
        )
        members, times = run.tokens.shape[0] * run.tokens.shape[1], 1 if big else 20
        run.forward()

        def turn(
            run: Prepared = run, count: int = members * operations(made), times: int = times
        ) -> tuple[float, float]:
            limit = gemm_rate("float32")
            return count / seconds(run.forward, times), limit

        figure = 100 * ratios(turn() for _ in range(size.turns))
        rows.append(
            Row(f"forward-{made.width}", f"forward, share of gemm limit, f32, {name}", figure,
                goal, "more", "%")
        )  # fmt: skip
    return rows


def survey_rows(size: Size) -> list[Row]:
    """Measure whole surveys against the reference: draw, forward, measure."""
    goals = {
        ("float32", 1, False): 3.8,
        ("float32", 8, False): 7.5,
        ("float32", 8, True): 10.0,
        ("float64", 1, False): 1.9,
        ("float64", 8, False): 4.8,
    }
    rows = []
    for (dtype, count, rank), goal in goals.items():
        made = stack(64, 64, 4, depth=size.depth)
        gains = np.linspace(0.5, 2, count).tolist()
        cells = grid(made, value_gain=gains)
        settings = [
            reference.Setting(size.depth, 64, 64, 4, 256, value_gain=gain) for gain in gains
        ]
        seeds, few = range(size.seeds), range(1)
        wanted, on, kind = RANK if rank else DEFAULT, backend(dtype=dtype), np.dtype(dtype).type
        survey(cells, seeds=seeds, on=on, quantities=wanted)

        def turn(plain: Any) -> tuple[float, float]:
            ours = seconds(lambda: survey(cells, seeds=seeds, on=on, quantities=wanted))  # noqa: B023
            theirs = seconds(lambda: plain(settings, few, kind, rank=rank))  # noqa: B023
            return theirs / len(few), ours / len(seeds)  # noqa: B023

        name = f"{dtype}, {count} cell{'s' * (count > 1)} a draw{', with rank' * rank}"
        figure = ratios(turn(reference.survey) for _ in range(size.turns))
        key = f"survey-{dtype}-{count}{'-rank' * rank}"
        rows.append(Row(key, f"draw, forward, all measures, {name}", figure, goal, "more"))
        if count > 1:
            figure = ratios(turn(reference.survey_sharing) for _ in range(size.turns))
            note = "the reference draws once for all cells, too"
            rows.append(Row(key + "-sharing", f"  the same, {note}", figure, None, "more"))
    return rows


class _Ready(Draws):
    """Weights that were drawn before the clock runs."""

    def __init__(self, made: Stack, *, seeds: range, on: Backend) -> None:
        super().__init__(replace(made, tied=True), seeds=seeds, on=on)
        super().part(0, slice(0, len(seeds)))

    def part(self, layer: int, rows: slice) -> Weights:
        return super().part(1 + layer, rows)


def measure_rows(size: Size) -> list[Row]:
    """Measure what all measures add to the best plain forward pass; nothing is drawn."""
    rows, on = [], backend(dtype="float32")
    made, cells, seeds = stack(64, 64, 4, depth=2 * size.depth), 8, range(size.seeds // 4 or 1)
    ready = _Ready(made, seeds=seeds, on=on)
    plain = prepared(made, "float32", seeds=1, cells=cells)
    fit = plan_chunk(made, cells=cells, seeds=len(seeds), on=on, chunk_bytes=HOST_BYTES)
    for name, wanted, goal in (("", RANK, 2.5), (", with entropy rank", ENTROPY, 3.5)):

        def turn(wanted: Sequence[Quantity] = wanted) -> tuple[float, float]:
            full = seconds(lambda: run_chunk(
                [made] * cells, seeds=seeds, mask=None, on=on, quantities=wanted, tolerance=1e-2,
                fit=fit, draws=ready,
            ))  # fmt: skip
            return full / (len(seeds) * made.depth), seconds(plain.forward, 10)

        turn()
        figure = ratios(turn() for _ in range(size.turns))
        what = f"all measures over plain forward, f32, n = d = 64, 8 cells a draw{name}"
        key = "measures-64" + "-entropy" * bool(name)
        rows.append(Row(key, what, figure, goal, "less"))
    return rows + (long_measure_rows(size) if size.long else [])


def long_measure_rows(size: Size) -> list[Row]:
    """Do the same at the size of BERT, whose weights are measured once for all texts."""
    rows = []
    for n, cells, goal in ((128, 4, 1.15), (512, 1, 2.3)):
        made = stack(n, 768, 12)
        run = prepared(made, "float32", seeds=1, cells=cells)
        norms = weight_brackets(made, run.weights, tolerance=1e-2)

        def turn(run: Prepared = run, norms: WeightBrackets = norms) -> tuple[float, float]:
            return seconds(lambda: run.measured(RANK, norms=norms)), seconds(run.forward)

        turn()
        figure = ratios(turn() for _ in range(max(2, size.turns // 2)))
        what = f"all measures over plain forward, f32, BERT-size, n = {n}"
        rows.append(Row(f"measures-768-{n}", what, figure, goal, "less"))
    return rows
