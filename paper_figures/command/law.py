"""The command that puts the exact law beside a simulation and the theorem: law."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from paper_figures.command.terminal import Json, app, complain, emit, err, out
from simulations.instruments.simulation import ln_std_mode
from simulations.law.comparison import law_beside_simulation
from simulations.law.critical import critical_points
from simulations.law.factors import Driver
from simulations.law.models import model_law
from simulations.models.texts import DEFAULT_TEXTS, read_texts
from simulations.reports.law import critical_table, law_json, law_reading, modes_table, rates_table
from simulations.reports.models import model_json, model_reading, model_tables
from simulations.stacks.adjacency import read_adjacency
from simulations.stacks.graphs import graph_by_name
from simulations.stacks.stack import Stack
from theory.arrays import InputError


@dataclass(frozen=True)
class TiedStack(Stack):
    """A stack whose layers share their weights, since a limit needs infinitely many.

    Parameters
    ----------
    tied
        All layers have the weights of the first; otherwise the law is an average over them.
    depth
        The layers that simulation and law are compared over; all there are if they are not tied.
    tokens
        Number of tokens, as --n.
    """

    tied: bool = True
    depth: int = 24


_PLAIN = TiedStack()


@app.command
def law(
    *,
    graph: str | None = None,
    n: int | None = None,
    adjacency: Path | None = None,
    stack: Annotated[TiedStack, Parameter(name="*")] = _PLAIN,
    seed: int = 0,
    layers: int | None = None,
    critical: Annotated[tuple[Driver, ...], Parameter(negative=())] = (),
    critical_range: Annotated[tuple[float, float] | None, Parameter(negative=())] = None,
    points: int = 17,
    model: str | None = None,
    text: Path | None = None,
    max_length: int = 64,
    json: Json = False,
    plot: Path | None = None,
) -> int:
    """Say how fast tokens merge near consensus, exactly, on any graph, beside a simulation.

    Prints the rate of every eigenvalue of the graph's random walk; then law, simulation and both
    forms of the block theorem at equal depth and in the limit. With --model, the same of a
    pretrained model, at equal tokens and along what real texts do.

    Parameters
    ----------
    graph
        complete, path, ring, ring:W, star, tree, small-world, scale-free, causal, window:R,
        causal-window:R or blocks:N1,N2,...; complete if nothing is given.
    n
        Number of tokens, 32 if not given; that of the file with --adjacency.
    adjacency
        A .npy or text file with a square matrix: zeros and ones are a mask; other weights take
        the place of attention's.
    seed
        Chooses weights, tokens and random graphs.
    layers
        Depth of the simulation of the limit; 400, or as many as the law's gap asks for.
    critical
        A driver, or several, along which law and theorem are followed to where they cross 1.
    critical_range
        Where to look along each driver: the lowest and the highest value.
    points
        Values on the grid of each driver.
    model
        e5-small, minilm, a folder with a Hugging Face BERT checkpoint, or a hub id.
    text
        A UTF-8 file with one text a line, for --model; two paragraphs of our own if not given.
    max_length
        Longest text in tokens, for --model.
    json
        Print one JSON object and nothing else.
    plot
        Also draw the rates, to a .png, .pdf or .svg file.
    """
    _check_plot(plot)
    if model is not None:
        unused = {"graph": graph, "n": n, "adjacency": adjacency, "critical": critical or None}
        wrong = [name for name, value in unused.items() if value is not None]
        if wrong or stack != _PLAIN:
            asked = f"--{wrong[0]}" if wrong else "the options of a stack"
            raise InputError(f"{asked} must be left out with --model, which has its own weights")
        return _model(model, text, max_length, seed, json, plot)
    if text is not None:
        raise InputError("--text must come with --model; random stacks read no texts")
    if critical_range is not None and not critical:
        raise InputError("--critical-range must come with --critical")
    sized = stack.tokens != _PLAIN.tokens
    if adjacency is not None:
        if graph is not None or n is not None or sized:
            raise InputError("--adjacency must come without --graph and --n: the file has both")
        walk = read_adjacency(adjacency)
    else:
        size = stack.tokens if n is None else n
        if sized and size != stack.tokens:
            raise InputError(f"--n and --tokens are one number, but are {n} and {stack.tokens}")
        walk = graph_by_name("complete" if graph is None else graph, size, seed=seed)
    stack = replace(stack, tokens=len(walk))
    name = str(adjacency.name) if adjacency is not None else graph or "complete"
    low, high = critical_range or (None, None)
    with err.status(f"{name}, {len(walk)} tokens"):
        found = law_beside_simulation(stack, walk, seed=seed, depth=stack.depth, layers=layers)
        points_found = [
            critical_points(stack, walk, driver, low=low, high=high, points=points, seed=seed)
            for driver in dict.fromkeys(critical)
        ]
    title = f"{stack.placement}-{stack.norm} stack on {name}, {len(walk)} tokens"
    if json:
        about = {
            "stack": asdict(stack),
            "graph": name,
            "seed": seed,
            "ln_std_mode": ln_std_mode(stack),
        }
        emit(about | law_json(found, points_found))
    else:
        out.print(modes_table(found.law, title=title), rates_table(found))
        if points_found:
            out.print(critical_table(points_found))
        out.print(law_reading(found), soft_wrap=True, highlight=False)
    if plot is not None:
        from paper_figures.command.picture_law import (
            plot_law,  # matplotlib takes a second to import
        )

        plot_law(stack, found, plot, title=title, seed=seed, critical=points_found)
    return 0 if found.ordering == "holds" else 1


def _model(
    model: str, text: Path | None, max_length: int, seed: int, json: bool, plot: Path | None
) -> int:
    texts = DEFAULT_TEXTS if text is None else read_texts(text)
    with err.status(f"{model}: {len(texts)} text(s)"):
        found = model_law(model, texts, max_length=max_length, seed=seed)
    if json:
        emit(model_json(found))
    else:
        out.print(*model_tables(found))
        out.print(model_reading(found), soft_wrap=True, highlight=False)
    if plot is not None:
        from paper_figures.command.picture_law import (
            plot_model_law,  # matplotlib takes a second to import
        )

        plot_model_law(found, plot)
    if not found.ordered:
        complain("a measured ratio is above v, which the block theorem rules out")
    return 0 if found.ordered else 1


def _check_plot(plot: Path | None) -> None:
    """Refuse a picture that could not be written before the work is done."""
    if plot is not None:
        from paper_figures.command.picture_trace import (
            require_plot,  # matplotlib takes a second to import
        )

        require_plot(plot)
