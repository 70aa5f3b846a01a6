"""The commands that measure layer by layer: simulate, analyze."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from paper_figures.command.pictures import require_plot
from paper_figures.command.terminal import Flag, complain, emit, err, out, steps
from simulations.stacks.stack import Stack
from theory.arrays import InputError

if TYPE_CHECKING:  # a command's module is light
    from simulations.instruments.trace import Trace
    from simulations.models.checkpoint import Checkpoint
    from simulations.models.tokens import Encoded

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
    max_length: int | None = None,
    skip_special: Flag = False,
    prefix: str | None = None,
    backend: str = "numpy",
    device: str | None = None,
    dtype: Literal["float32", "float64"] = "float64",
    json: Flag = False,
    plot: Path | None = None,
) -> int:
    """Put a pretrained model and real texts through the same instruments.

    Parameters
    ----------
    model
        e5-small, minilm, a folder with a Hugging Face BERT checkpoint, or a hub id.
    text
        A UTF-8 file with one text a line; two paragraphs of our own if none is given.
    max_length
        Longest text in tokens, 128 or what the model can read if not given; the rest is cut off.
    skip_special
        Leave the tokens that mark start and end out of the similarity measures.
    prefix
        Put before every text, and counted; the model's own if not given ("query: " for e5-small).
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
    from simulations.instruments.analysis import analyze as analyze_texts
    from simulations.machine.backends import backend as load_backend
    from simulations.models.find import load_checkpoint
    from simulations.models.texts import DEFAULT_TEXTS, read_texts

    on = load_backend(backend, device=device, dtype=dtype)
    texts = DEFAULT_TEXTS if text is None else read_texts(text)
    require_plot(plot)
    with err.status(f"{model}: {len(texts)} text(s)"):
        checkpoint = load_checkpoint(model, dtype=dtype)
        trace, encoded = analyze_texts(
            checkpoint,
            texts,
            max_length="auto" if max_length is None else max_length,
            skip_special=skip_special,
            prefix=prefix,
            on=None if on.name == "numpy" else on,  # there the checkpoint has its dtype already
        )
    about = _about(checkpoint, encoded, skip_special=skip_special)
    title = _title(checkpoint, encoded)
    return _show_trace(trace, about, title=title, json=json, plot=plot)


def _about(checkpoint: "Checkpoint", encoded: "Encoded", *, skip_special: bool) -> dict[str, Any]:
    """Return what was read; a line on stderr says if some texts were cut."""
    lengths, cut = encoded.token_mask.sum(axis=-1), int(encoded.truncated.sum())
    if cut:
        complain(f"{cut} of {len(lengths)} texts were cut at {lengths.max()} tokens")
    return {
        "model": checkpoint.name,
        "source": checkpoint.source,
        "weights_sha256": checkpoint.weights_sha256,
        **({} if checkpoint.widened is None else {"widened": checkpoint.widened}),
        "texts": len(lengths),
        "text_tokens": lengths,
        "prefix": encoded.prefix,
        "truncated": encoded.truncated,
        "skip_special": skip_special,
    }


def _title(checkpoint: "Checkpoint", encoded: "Encoded") -> str:
    lengths = encoded.token_mask.sum(axis=-1)
    title = f"{checkpoint.name}: {len(lengths)} text(s), {lengths.min()} to {lengths.max()} tokens"
    if checkpoint.widened is not None:
        title += f", weights widened from {checkpoint.widened}, exactly"
    return f"{title}, prefix {encoded.prefix!r}" if encoded.prefix else title


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
