"""How does the command put a random stack's simulation beside the law?"""

import time
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from paper_figures.command.law_options import DriverOptions, GraphOptions, TiedStack
from paper_figures.command.terminal import emit, err, out, steps
from simulations.instruments.simulation import ln_std_mode
from simulations.law.comparison import law_beside_simulation
from simulations.law.critical import critical_points
from simulations.reports.law import critical_table, law_json, law_reading, modes_table, rates_table
from simulations.stacks.graphs import GraphRead, read_graph
from simulations.stacks.room import require_law_room

_TRIED, _LONG_SECONDS = 200, 5.0


def show_stack_law(
    graph: GraphOptions,
    stack: TiedStack,
    drivers: DriverOptions,
    *,
    seed: int,
    json: bool,
    plot: Path | None,
) -> int:
    """Print law, simulation and theorem, draw them if asked; 1 if they are in another order."""
    read = _read(graph, stack, seed)
    walk = read.adjacency
    stack = replace(stack, tokens=len(walk))
    require_law_room(stack)
    _tell_time(len(walk))
    low, high = drivers.critical_range or (None, None)
    with steps(f"{graph.title}, {len(walk)} tokens") as on_step:
        found = law_beside_simulation(
            stack, walk, seed=seed, depth=stack.depth, layers=drivers.layers, on_layer=on_step
        )
    critical = []
    for driver in dict.fromkeys(drivers.critical):
        with steps(f"{driver}, {len(walk)} tokens") as on_step:
            critical.append(
                critical_points(
                    stack,
                    walk,
                    driver,
                    low=low,
                    high=high,
                    points=drivers.points,
                    seed=seed,
                    on_point=on_step,
                )
            )
    title = f"{stack.placement}-{stack.norm} stack on {graph.title}, {len(walk)} tokens"
    if json:
        about = {"stack": asdict(stack), "graph": graph.title, "seed": seed}
        about["ln_std_mode"] = ln_std_mode(stack)
        if graph.file is not None:
            about["graph_read"] = read.told
        emit(about | law_json(found, critical))
    else:
        if graph.file is not None:
            out.print(read.told, soft_wrap=True, highlight=False, markup=False)
        out.print(modes_table(found.law, title=title), rates_table(found))
        if critical:
            out.print(critical_table(critical))
        out.print(law_reading(found), soft_wrap=True, highlight=False)
    if plot is not None:
        from paper_figures.command.picture_law import plot_law  # it imports matplotlib

        plot_law(stack, found, plot, title=title, seed=seed, critical=critical)
    return 0 if found.ordering == "holds" else 1


def _tell_time(n: int) -> None:
    """Say before long silence about how long the eigenvalues of the walk take, by a small matrix.

    The work of a dense matrix grows with the cube of its size.
    """
    tried = min(n, _TRIED)
    matrix = np.random.default_rng(0).random((tried, tried))
    start = time.perf_counter()
    np.linalg.eigvals(matrix)
    seconds = (time.perf_counter() - start) * (n / tried) ** 3
    if n > tried and seconds > _LONG_SECONDS:
        about = timedelta(seconds=round(seconds))
        err.print(f"eigenvalues of {n} tokens: about {about} (h:mm:ss); Ctrl-C stops it")


def _read(graph: GraphOptions, stack: TiedStack, seed: int) -> GraphRead:
    size = graph.size(stack)
    if size is not None and size > 0:  # its own error says what is wrong with others
        require_law_room(replace(stack, tokens=max(2, size)))
    return read_graph(
        graph.file or graph.graph or "complete",
        size,
        seed=seed,
        format=graph.format,
        self_loops=graph.self_loops,
        directed=graph.directed,
    )
