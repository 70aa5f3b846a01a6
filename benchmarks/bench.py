"""How fast is the engine, in one table: what was reached, what was wanted, on which machine?

    python -m benchmarks.bench [--json] [--tiny] [--keep] [--device cuda]

``--keep`` adds the run to benchmarks/results, one file a run, named by date, commit and the BLAS's
kind of processor, so that a later run, or one with other kernels, shows what changed.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from rich.console import Console
from rich.table import Table

from benchmarks.machine import bound_rows, device_rows, process_rows
from benchmarks.models import model_rows
from benchmarks.readme import core
from benchmarks.rows import (
    FULL,
    TINY,
    Row,
    Size,
    forward_rows,
    gemm_rate,
    measure_rows,
    survey_rows,
)
from benchmarks.side_by_side import accuracy_rows, peer_rows
from simulations.machine.threads import THREADS, cores

RESULTS = Path(__file__).parent / "results"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and keep what was measured if asked to."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it runs")
    parser.add_argument("--keep", action="store_true", help="add the run to benchmarks/results")
    parser.add_argument("--device", help="a torch device: its rows only")
    options = parser.parse_args(argv)
    result = run(TINY if options.tiny else FULL, device=options.device)
    if options.keep:
        keep(result, RESULTS)
    if options.json:
        sys.stdout.write(json.dumps(result, indent=1) + "\n")
    else:
        Console(width=120).print(table(result), about(result))
    return 0


def run(size: Size, *, device: str | None = None) -> dict[str, Any]:
    """Return all rows, and the machine that they were measured on."""
    rows: list[Row] = []
    limits = {dtype: [gemm_rate(dtype)] for dtype in ("float32", "float64")}
    if device is None:
        for measured in (
            peer_rows, forward_rows, survey_rows, measure_rows, model_rows, process_rows, bound_rows
        ):  # fmt: skip
            rows += measured(size)
        rows += accuracy_rows()
    else:
        rows += device_rows(size, device=device)
    for dtype, found in limits.items():
        found.append(gemm_rate(dtype))
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "gemm_gflops": {dtype: [rate / 1e9 for rate in found] for dtype, found in limits.items()},
        "size": asdict(size),
        "device": device,
        "rows": [asdict(row) | {"met": row.met} for row in rows],
    }


def commit() -> str:
    """Return the commit that was measured, marked if files differ from it."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True, text=True, check=True, cwd=RESULTS.parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def machine() -> dict[str, Any]:
    """Return the processor, and what the BLAS makes of it."""
    try:
        from threadpoolctl import threadpool_info

        # numpy's own library and, once it is loaded, the one that scipy brings
        wanted = ("internal_api", "version", "architecture", "num_threads")
        blas = [
            {name: library.get(name) for name in wanted}
            for library in threadpool_info()
            if library["user_api"] == "blas"
        ]
    except ImportError:
        blas = [{"internal_api": "unknown: threadpoolctl is not installed"}]
    settings = {name: os.environ[name] for name in THREADS if name in os.environ}
    if "OPENBLAS_CORETYPE" in os.environ:
        settings["OPENBLAS_CORETYPE"] = os.environ["OPENBLAS_CORETYPE"]
    return {
        "processor": processor(),
        "cores": cores(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "blas": blas,
        "settings": settings,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "peers": {
            name: found for name in ("torch", "jax", "transformers") if (found := _version(name))
        },
    }


def _version(library: str) -> str | None:
    """Return the version that is installed; None if there is none."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def table(result: dict[str, Any]) -> Table:
    """Return the rows as people read them."""
    out = Table(title=f"oversmooth engine, commit {result['commit']}, {result['date']}")
    for name in ("what", "reached", "goal", "met"):
        out.add_column(name, justify="left" if name == "what" else "right")
    for row in result["rows"]:
        sign = {"more": ">=", "less": "<="}[row["better"]]
        goal = "" if row["goal"] is None else f"{sign} {row['goal']:g} {row['unit']}"
        met = {None: "", True: "yes", False: "no"}[row["met"]]
        what = row["what"] + (f" ({row['note']})" if row["note"] else "")
        if row["others"]:
            what += ": " + ", ".join(f"{name} {x:.3g}" for name, x in row["others"].items())
        out.add_row(what, f"{row['figure']:.3g} {row['unit']}", goal, met)
    return out


def about(result: dict[str, Any]) -> str:
    """Return the conditions in a few lines."""
    there = result["machine"]
    rates = "; ".join(
        f"{dtype} {' and '.join(f'{rate:.0f}' for rate in found)}"
        for dtype, found in result["gemm_gflops"].items()
    )
    libraries = "; ".join(", ".join(str(x) for x in one.values()) for one in there["blas"])
    return (
        f"{there['processor']}, {there['cores']} cores, load {there['load']}\n"
        f"large products, before and after, GFLOP/s: {rates}\n"
        f"BLAS (library, version, core type, threads): {libraries}; settings {there['settings']}\n"
        f"Python {there['python']}, numpy {there['numpy']}, scipy {there['scipy']}, "
        + ", ".join(f"{name} {version}" for name, version in there["peers"].items())
    )


def keep(result: dict[str, Any], folder: Path) -> Path:
    """Write the run to a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = result["date"].replace(":", "").replace("+0000", "Z")
    where = result["device"] or core(result)
    name = f"{stamp}-{result['commit']}-{where.replace(' ', '-')}.json"
    path = folder / name
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
