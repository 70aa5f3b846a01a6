"""The commands that measure layer by layer: simulate, analyze."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from paper_figures.command.pictures import require_plot
from paper_figures.command.terminal import Flag, emit, out, steps
from simulations.stacks.stack import Stack
from theory.arrays import InputError

if TYPE_CHECKING:  # a command's module is light
    from simulations.instruments.trace import Trace

_PLAIN = Stack()


def simulate(
    *,
    stack: Annotated[Stack, Parameter(name="*")] = _PLAIN,
    mask: str = "full",
    seeds: int = 1,
    seed: int = 0,
    backend: str = "numpy",
    device: str | None = None,
    dtype: Literal["float32", "float64"] = "float64",
    json: Flag = False,
    plot: Path | None = None,
) -> int:
    """Send random tokens through a random stack and measure layer by layer.

    Parameters
    ----------
    mask
        full, causal, window:R, causal-window:R, blocks:N1,N2,..., a boolean .npy file, or a file
        with a graph without weights, as law --graph takes it.
    seeds
        How many runs; the table shows mean cosine, distance and rank, worst-case coefficients.
    seed
        The first run's seed.
    backend
        numpy, torch or cupy.
    device
        A device of that backend, such as cuda.
    dtype
        The floating type of the run; verdicts are always computed in float64.
    json
        Print one JSON object and nothing else.
    plot
        Also draw the measures against depth, to a .png, .pdf or .svg file.
    """
    from simulations.instruments.simulation import ln_std_mode
    from simulations.instruments.simulation import simulate as simulate_stack
    from simulations.machine.backends import backend as load_backend
    from simulations.stacks.room import require_room

    on = load_backend(backend, device=device, dtype=dtype)
    if stack.tau != 1 and stack.fixed_std is not None:
        raise InputError(
            f"tau and fixed_std exclude each other, but are {stack.tau} and {stack.fixed_std}: "
            "only their product would count"
        )
    require_room(stack)
    allowed, told = _allowed(mask, stack.tokens)
    require_plot(plot)
    with steps(f"{stack.depth} blocks, {seeds} seed(s)") as on_layer:
        trace = simulate_stack(
            stack, seeds=seeds, seed=seed, mask=allowed, on=on, on_layer=on_layer
        )
    mode = ln_std_mode(stack)
    about = {
        "stack": asdict(stack),
        "mask": mask,
        "ln_std_mode": mode,
        "seed": seed,
        "seeds": seeds,
    }
    if told and not json:
        out.print(told, soft_wrap=True, highlight=False, markup=False)
    title = f"{stack.placement}-{stack.norm} stack, LN std {mode}, {mask} mask, {seeds} seed(s)"
    return _show_trace(trace, about, title=title, json=json, plot=plot)


def _allowed(mask: str, n: int) -> tuple[Any, str]:
    """Return a mask by its name or from a file, and in words what a file with a graph held."""
    from simulations.machine.formats import is_array_name
    from simulations.stacks.graphs import is_graph_file, mask_by_name, read_graph

    if is_array_name(mask) or not is_graph_file(mask):
        return mask_by_name(mask, n), ""
    found = read_graph(mask, n)
    if found.adjacency.dtype != "bool":
        raise InputError(f"mask {mask!r} must be a graph without weights; law --graph takes them")
    return found.adjacency, found.told


def analyze(
    model: str,
    *,
    text: Path | None = None,
    images: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    max_length: int | None = None,
    skip_special: Flag = False,
    prefix: str | None = None,
    skip_short: Flag = False,
    via: Literal["files", "capture"] = "files",
    stage: int | None = None,
    local: float | None = None,
    layers: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (),
    reach: Flag = False,
    backend: str = "numpy",
    device: str | None = None,
    dtype: Literal["float32", "float64"] = "float64",
    json: Flag = False,
    out: Path | None = None,
    plot: Path | None = None,
) -> int:
    """Put a pretrained model and real texts, or images, through the same instruments.

    Parameters
    ----------
    model
        A name that `oversmooth models` lists, a folder with a Hugging Face checkpoint, a GGUF
        file, or a hub id.
    text
        A UTF-8 file with one text a line; two paragraphs of our own if none is given. More than
        64 texts are a corpus: read and measured a part at a time, and summed up.
    images
        Pictures for a model that reads images, or .npy files with what it is to see.
    max_length
        Longest text in tokens, 128 or what the model can read if not given; the rest is cut off.
    skip_special
        Leave the tokens that mark start and end out of the similarity measures.
    prefix
        Put before every text, and counted; the model's own if not given ("query: " for e5-small).
    skip_short
        Leave out, and count, the texts of which fewer than two tokens are measured.
    via
        files: the weights are read here, without torch. capture: transformers loads and runs the
        model, its tokenizer and image processor too, and its blocks are watched: any family
        that docs/capture.md lists (extra capture). No code of a model is ever run.
    stage
        Which run of blocks, from 0, of a captured model in which tokens are merged (Swin).
    local
        Bound the ratio for every input whose tokens are within this part of their own length:
        post-norm encoders, 20 seconds a layer for 12 tokens. docs/local_bound.md says how.
    layers
        Only these layers, from 1; goes with local.
    reach
        Also look for the worst input of each ball by gradient ascent; goes with local.
    backend
        numpy, torch or cupy.
    device
        A device of that backend, such as cuda.
    dtype
        The floating type of the run; verdicts are always computed in float64.
    json
        Print one JSON object and nothing else; of a corpus, mean, extremes and quantiles.
    out
        Also write one line of JSON for each text, to a .jsonl file, whole or not at all.
    plot
        Also draw the measures against depth, to a .png, .pdf or .svg file.
    """
    from paper_figures.command import corpus
    from simulations.machine.backends import backend as load_backend

    if via == "capture" or stage is not None:
        from paper_figures.command.captured import require_fitting

        require_fitting(via, backend=backend, device=device, stage=stage)
    on = load_backend(backend, device=device, dtype=dtype)
    if images and (text is not None or out is not None or max_length is not None):
        raise InputError("images exclude text, max-length and out, but come with one of them")
    texts, few = corpus.find_texts(text)
    if local is not None:
        from paper_figures.command.local import analyze_locally

        plain = (via, backend, dtype) == ("files", "numpy", "float64")
        if images or out is not None or plot is not None or skip_special or skip_short or not plain:
            raise InputError(
                "local goes with text, max-length, prefix, layers, reach and json alone: it is "
                "about all tokens of a text, in float64 on the host"
            )
        if not few:
            raise InputError(f"local takes at most {corpus.FEW} texts, but there are more")
        options = {"max_length": "auto" if max_length is None else max_length, "prefix": prefix}
        return analyze_locally(
            model, tuple(texts), local, layers=layers, reach=reach, json=json, options=options
        )
    if layers or reach:
        raise InputError("layers and reach go with local, which is not given")
    require_plot(plot)
    corpus.require_out(out)
    asked = corpus.Asked(
        model,
        dtype,
        None if on.name == "numpy" else on,  # there the checkpoint has its dtype already
        skip_short,
        {
            "max_length": "auto" if max_length is None else max_length,
            "skip_special": skip_special,
            "prefix": prefix,
        },
        via,
        stage,
    )
    if images:
        from paper_figures.command.images import analyze_files

        trace, about, title = analyze_files(asked, images)
        return _show_trace(trace, about, title=title, json=json, plot=plot)
    if not few:
        return corpus.show_corpus(asked, texts, json=json, out_file=out, plot=plot)
    trace, about, title = corpus.analyze_few(asked, tuple(texts), out_file=out)
    return _show_trace(trace, about, title=title, json=json, plot=plot)


def _show_trace(
    trace: "Trace", about: dict[str, Any], *, title: str, json: bool, plot: Path | None
) -> int:
    """Print a trace as a table or JSON, draw it if asked; 1 if the inequality is refuted."""
    from simulations.reports.traces import reading, trace_json, trace_tables

    if json:
        emit(about | trace_json(trace))
    else:
        out.print(*trace_tables(trace, title=title, width=out.width))
        out.print(reading(trace), soft_wrap=True, highlight=False)
    if plot is not None:
        from paper_figures.command.picture_trace import plot_trace  # it imports matplotlib

        plot_trace(trace, plot, title=title)
    inequality = trace.inequality
    return 1 if inequality is not None and (inequality == "refuted").any() else 0
