"""What does the machine as a whole show: several processes, memory, a device, certain bounds?"""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.rows import RANK, Row, Size, stack
from simulations.engine.chunk import plan_chunk, run_chunk
from simulations.engine.draws import Draws
from simulations.engine.squaring import group_bracket
from simulations.engine.surveys import DEVICE_BYTES, survey
from simulations.machine.backends import Backend, backend
from simulations.machine.threads import THREADS, cores
from simulations.stacks.stack import Stack
from simulations.stacks.weights import Weights
from theory.spectra.norms import coupling, coupling_error

_ROOT = Path(__file__).parents[1]

_WORK = """
import json, sys, time
from simulations.machine.backends import backend
from simulations.engine.surveys import grid, survey_chunks
from benchmarks.rows import stack

depth, seeds, cells, turns = map(int, sys.argv[1:])

def peak():
    # getrusage would count what the parent had before this program was loaded
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

on, done = backend(dtype="float32"), 0
list(survey_chunks([stack(2, 2, 1)], seeds=range(1), on=on))  # what is imported when first used
before = peak()
made = grid(stack(64, 64, 4, depth=depth), tau=[1 + i / cells for i in range(cells)])
list(survey_chunks(made[:1], seeds=range(1), on=on))
print("ready", flush=True)
sys.stdin.readline()
start = time.perf_counter()
for turn in range(turns):
    for place, part in survey_chunks(made, seeds=range(seeds), on=on):
        done += part.tokens["distance"].shape[-1] * cells
seconds = time.perf_counter() - start
print(json.dumps({"rate": done / seconds, "memory": peak() - before}))
"""


def _children(number: int, *, depth: int, seeds: int, cells: int, turns: int) -> list[Any]:
    """Run so many processes at the same time, started together once all are ready."""
    command = [sys.executable, "-c", _WORK, *map(str, (depth, seeds, cells, turns))]
    pipe = subprocess.PIPE
    alone = os.environ | dict.fromkeys(THREADS, "1")
    running = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT, env=alone)
        for _ in range(number)
    ]
    for child in running:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", "a child did not start"
    for child in running:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    return [json.loads(child.communicate()[0]) for child in running]


def process_rows(size: Size) -> list[Row]:
    """Measure how much more two processes do, and the memory of one, by the clock."""
    rows = []
    if cores() > 1:
        work = {"depth": 2 * size.depth, "seeds": size.seeds, "cells": 8, "turns": 2}
        gains = []
        for _ in range(3 if size.long else 1):
            one = _children(1, **work)[0]["rate"]
            gains.append(sum(child["rate"] for child in _children(2, **work)) / one)
        what = f"two processes over one, {cores()} cores, by the clock"
        rows.append(Row("processes-2", what, median(gains), 1.9, "more"))
    for name, depth, seeds, cells in (
        ("many seeds", 2, 4 * size.seeds, 4),
        ("many cells", 2, 2, 16 * size.seeds),
        ("deep", 16 * size.depth, 4, 4),
    ):
        found = _children(1, depth=depth, seeds=seeds, cells=cells, turns=1)[0]["memory"]
        key = "memory-" + name.replace(" ", "-")
        figure = found / 1e6
        rows.append(Row(key, f"memory above imports, {name}", figure, 200.0, "less", "MB"))
    return rows


def bound_rows(size: Size) -> list[Row]:
    """Count upper bounds of lambda that lie below the truth; `make deep` does 100,000 a kind."""
    rng, count, wrong = np.random.default_rng(0), 20 * size.seeds, {"float32": 0, "float64": 0}
    for temperature in 10.0 ** np.linspace(-2, 2, 9):
        scores = rng.standard_normal((count // 4, 4, 32, 32)) / temperature
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        for dtype in wrong:
            given = weights.astype(dtype)
            found = group_bracket(given, tolerance=1e-2, deviations=True)
            exact = given.astype("float64")
            least = coupling(exact) - coupling_error(exact)
            wrong[dtype] += int((found.upper.astype("float64") < least).sum())
    return [
        Row(f"violations-{dtype}", f"upper bounds violated, {dtype}, of {9 * count}",
            number, 0.0, "less", "")
        for dtype, number in wrong.items()
    ]  # fmt: skip


class _Ready(Draws):
    """All layers' weights, on the device before the clock runs."""

    def __init__(self, made: Stack, *, seeds: range, on: Backend) -> None:
        super().__init__(made, seeds=seeds, on=on)
        every = slice(0, len(seeds))
        self._layers = [super(_Ready, self).part(i, every) for i in range(made.depth)]
        self._at = 0

    def part(self, layer: int, rows: slice) -> Weights:
        """Return the layer; the device takes all seeds at a time."""
        assert len(range(*rows.indices(len(self._seeds)))) == len(self._seeds)
        self._at = layer
        return self._layers[layer]

    def whole(self) -> Weights:
        """Return the same."""
        return self._layers[self._at]


def device_rows(size: Size, *, device: str) -> list[Row]:
    """Measure torch on a device: 24 layers, 256 seeds, all measures, nothing drawn."""
    torch = importlib.import_module("torch")
    gpu = device != "cpu"
    on = backend("torch", device=device, dtype="float32")
    made = stack(64, 64, 4, depth=24 if size.long else 2)
    seeds = range(256 if size.long else 4)
    ready = _Ready(made, seeds=seeds, on=on)
    fit = plan_chunk(made, cells=1, seeds=len(seeds), on=on, chunk_bytes=DEVICE_BYTES)
    fit = fit._replace(seeds=len(seeds), tile_seeds=len(seeds))

    def clock(work: Any, turns: int) -> float:
        times = []
        for _ in range(turns):
            if gpu:
                torch.cuda.synchronize()
            start = time.perf_counter()
            work()
            if gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return median(times)

    def run() -> Any:
        return run_chunk(
            [made], seeds=seeds, mask=None, on=on, quantities=RANK, tolerance=1e-2, fit=fit,
            draws=ready,
        )  # fmt: skip

    run()
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    eager = 1e3 * clock(run, size.turns)
    name = f"{made.depth} layers x {len(seeds)} seeds, n = d = 64, all measures, f32, {device}"
    rows = [Row("device-eager", name, eager, 30.0 if gpu else None, "less", "ms")]
    if gpu:
        peak = torch.cuda.max_memory_allocated() / 1e9
        what = "peak memory, weights of all layers"
        rows.append(Row("device-memory", what, peak, 2.0, "less", "GB"))
        batch = torch.randn(2048, 64, 64, device=device)
        rate = 2 * 2048 * 64**3 / clock(lambda: torch.bmm(batch, batch), 50)
        done = len(seeds) * made.depth * (2 * 64 * 12 * 64 * 64 + 4 * 64**3)
        share = 100 * done / (eager / 1e3) / rate
        rows.append(Row("device-share", "of the measured bmm rate", share, 40.0, "more", "%"))
    few = seeds[:: max(1, len(seeds) // 3)]  # one in a hundred of 256, the first layers
    here = survey([made], seeds=few, on=backend()).tokens["cosine_similarity"]
    gap = np.abs(run()[0]["cosine_similarity"][:2, 0, :: few.step] - here[:2, 0])
    what = "cosine after one layer, against CPU float64"
    rows.append(Row("device-agreement", what, float(gap.max()), 1e-4, "less", ""))
    return rows
