"""What may be asked of the law: on which graph, of which stack or model, along which driver?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from paper_figures.command.terminal import Flag
from simulations.law.drivers import Driver
from simulations.stacks.graph_files import GraphFormat
from simulations.stacks.graphs import is_graph_file
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


PLAIN_STACK = TiedStack()


@dataclass(frozen=True)
class GraphOptions:
    """Who listens to whom: a graph by its name and size, or from a file.

    Parameters
    ----------
    graph
        complete, path, ring, ring:W, star, tree, small-world, scale-free, causal, window:R,
        causal-window:R or blocks:N1,N2,...; complete if nothing is given. Or a file: a matrix or
        a list of edges (text, CSV), GraphML, GML or .npy; zeros and ones are a mask, other
        weights take the place of attention's, every row divided by its sum.
    n
        Number of tokens, 32 if not given; that of the file with a file.
    adjacency
        A file, as --graph FILE.
    format
        adjacency, edges, graphml, gml or npy; the file's suffix or content says it if not given.
    self_loops
        Every token listens to itself, or none does; if not given, tokens of a named graph do, and
        those of a file as the file has it.
    directed
        A list of edges has a direction: the first node listens to the second.
    """

    graph: str | None = None
    n: int | None = None
    adjacency: Path | None = None
    format: GraphFormat | None = None
    self_loops: bool | None = None
    directed: Flag = False

    @property
    def file(self) -> Path | None:
        """The file that the graph is in, if there is one."""
        if self.adjacency is None and self.graph is not None and is_graph_file(self.graph):
            return Path(self.graph)
        return self.adjacency

    @property
    def title(self) -> str:
        """What the graph is called in print."""
        return self.graph or "complete" if self.file is None else self.file.name

    def size(self, stack: Stack) -> int | None:
        """Return the number of tokens, which graph and stack share; None if a file decides.

        Raises: InputError if it is given twice and differs, or beside a file
        """
        sized = stack.tokens != PLAIN_STACK.tokens
        if self.adjacency is not None:
            if self.graph is not None or self.n is not None or sized:
                raise InputError("--adjacency must come without --graph and --n: the file has both")
            return None
        if self.file is not None:
            if self.n is not None or sized:
                raise InputError("--n must be left out with a graph from a file, which has its own")
            return None
        if sized and self.n is not None and self.n != stack.tokens:
            raise InputError(
                f"--n and --tokens are one number, but are {self.n} and {stack.tokens}"
            )
        return stack.tokens if self.n is None else self.n


@dataclass(frozen=True)
class DriverOptions:
    """How far the limit is followed, and along which drivers of the LayerNorm std.

    Parameters
    ----------
    layers
        Depth of the simulation of the limit; 400, or as many as the law's gap asks for.
    critical
        A driver, or several, along which law and theorem are followed to where they cross 1.
    critical_range
        Where to look along each driver: the lowest and the highest value.
    points
        Values on the grid of each driver.
    """

    layers: int | None = None
    critical: Annotated[tuple[Driver, ...], Parameter(negative=())] = ()
    critical_range: Annotated[tuple[float, float] | None, Parameter(negative=())] = None
    points: int = 17

    def require_driver(self) -> None:
        """Raise InputError if there is a range, but no driver to look along."""
        if self.critical_range is not None and not self.critical:
            raise InputError("--critical-range must come with --critical")


@dataclass(frozen=True)
class ModelOptions:
    """Which pretrained model is asked about, and with which texts or images.

    Parameters
    ----------
    model
        A name that `oversmooth models` lists, a folder with a Hugging Face checkpoint, a GGUF
        file, or a hub id.
    text
        A UTF-8 file with one text a line, for --model; two paragraphs of our own if not given.
    images
        Pictures for a --model that reads images, or .npy files with what it is to see; a
        photograph that comes with matplotlib, and a quarter of it, if not given.
    max_length
        Longest text in tokens, for --model; 64 or what it can read if not given.
    layer
        The layer that is repeated, for --model with --prove; 0 if not given.
    """

    model: str | None = None
    text: Path | None = None
    images: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())] = ()
    max_length: int | None = None
    layer: int | None = None

    def require_model(self) -> None:
        """Raise InputError if there are texts, images or a layer, but no model."""
        if self.model is None and self.layer is not None:
            raise InputError("--layer must come with --model and --prove")
        for name, given in (("--text", self.text is not None), ("--images", bool(self.images))):
            if self.model is None and given:
                raise InputError(f"{name} must come with --model; random stacks read nothing")


def require_alone(graph: GraphOptions, stack: TiedStack, critical: Sequence[Driver]) -> None:
    """Raise InputError if something is asked of a random stack although there is a model."""
    asked = {
        "--graph": graph.graph is not None,
        "--n": graph.n is not None,
        "--adjacency": graph.adjacency is not None,
        "--format": graph.format is not None,
        "--self-loops": graph.self_loops is not None,
        "--directed": graph.directed,
        "--critical": bool(critical),
        "the options of a stack": stack != PLAIN_STACK,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise InputError(f"{name} must be left out with --model, which has its own weights")
