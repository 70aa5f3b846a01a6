"""The command ``oversmooth``: parse, call, print, return an exit code.

0: fine; 1: a verdict that was not expected; 2: the question was wrong.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from paper_figures.catalogue import make_figures
from simulations import report
from simulations.analysis import analyze as analyze_texts
from simulations.backends import backend as load_backend
from simulations.block_file import read_block
from simulations.check import check_block
from simulations.checkpoints import load_checkpoint
from simulations.counterexamples import read_counterexample, write_counterexample
from simulations.counterexamples import replay as replay_counterexample
from simulations.ensembles import Stack
from simulations.simulation import ln_std_mode, mask_by_name
from simulations.simulation import simulate as simulate_stack
from simulations.texts import DEFAULT_TEXTS, read_texts
from simulations.trace import Trace
from simulations.verify import DEFAULT_TRIALS
from simulations.verify import verify as verify_theorems
from theory.arrays import InputError

# A pipe has no width to fit in.
out = Console(width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True)
_PLAIN = Stack()
Json = Annotated[bool, Parameter(negative=())]
Plot = Annotated[Path | None, Parameter()]

app = App(
    name="oversmooth",
    help="Over-smoothing in Transformers: theorems, simulations and real models.",
    version_flags=["--version"],
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a wrong question is one line on stderr."""
    try:
        found = app(
            sys.argv[1:] if argv is None else argv,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except (InputError, cyclopts.CycloptsError) as error:
        err.print(f"oversmooth: {error}", highlight=False, markup=False, soft_wrap=True)
        return 2
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        err.print("oversmooth: stopped")
        return 130
    return int(found or 0)


@app.command
def figures(
    *names: str,
    out_dir: Annotated[Path, Parameter(name="--out")] = Path("paper_figures/out"),
    quick: Annotated[bool, Parameter(negative=())] = False,
    seed: int = 0,
) -> int:
    """Compute, store and draw the paper's figures, each beside the paper's own values.

    Writes PDF, PNG and data (JSON) of each figure, and a page index.html that shows them all.

    Parameters
    ----------
    names
        Which figures; all if none is named.
    out_dir
        The folder to write to.
    quick
        Fewer sentences and seeds: under a minute.
    seed
        Chooses the sentences and the random weights.
    """
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("figures", total=None)

        def show(name: str, event: str) -> None:
            progress.update(task, description=f"{name}: {event}")
            if event != "start":
                err.print(f"{event:>6}  {name}")

        outcomes = make_figures(names, out=out_dir, quick=quick, seed=seed, on_progress=show)
    for outcome in outcomes:
        if outcome.error:
            err.print(f"oversmooth: {outcome.name}: {outcome.error}", markup=False, soft_wrap=True)
        elif outcome.refuted:
            err.print(f"oversmooth: {outcome.name}: the data refute its caption", markup=False)
    out.print(f"{out_dir / 'index.html'}", soft_wrap=True)
    return 1 if any(outcome.error or outcome.refuted for outcome in outcomes) else 0


@app.command
def verify(
    *keys: str,
    trials: int = DEFAULT_TRIALS,
    seed: int = 0,
    out_dir: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> int:
    """Try to refute every theorem, or the named ones.

    Parameters
    ----------
    keys
        Theorems; all if none is named.
    trials
        Random instances for each theorem.
    seed
        Chooses the instances.
    out_dir
        A folder for the counterexamples that were found, one JSON file each.
    json
        Print one JSON object and nothing else.
    """
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("verify")

        def show(key: str, done: int, total: int) -> None:
            progress.update(task, description=key, completed=done, total=total)

        reports = verify_theorems(keys or None, trials=trials, seed=seed, on_progress=show)
    if out_dir is not None:
        for found in reports:
            if found.counterexample is not None:
                write_counterexample(found.counterexample, out_dir / f"{found.key}.json")
    if json:
        emit({"theorems": [found.as_json() for found in reports]})
    else:
        out.print(report.verify_table(reports))
    return 0 if all(found.ok for found in reports) else 1


@app.command
def replay(file: Path, *, json: Json = False) -> int:
    """Build a stored counterexample again and check it: 0 if it still refutes its theorem.

    Parameters
    ----------
    file
        What ``verify --out`` wrote.
    json
        Print one JSON object and nothing else.
    """
    example = read_counterexample(file)
    verdict = replay_counterexample(example)
    found = {
        "theorem": example.key,
        "status": verdict.status,
        "lhs": float(verdict.lhs),
        "rhs": float(verdict.rhs),
        "rounding": float(verdict.rounding),
        "lhs_stored": example.lhs,
        "rhs_stored": example.rhs,
    }
    if json:
        emit(found)
    else:
        out.print(report.pairs_table(found.items(), title=str(file.name)))
    return 0 if verdict.refuted else 1


@app.command
def check(block: Path, *, json: Json = False) -> int:
    """Put one block, given as arrays from any framework, through the block theorem.

    Parameters
    ----------
    block
        An .npz file: tokens, value_output, ffn_in, ffn_out, and adjacency or query and key.
    json
        Print one JSON object and nothing else.
    """
    given = read_block(block)
    found = check_block(given.block, given.tokens, adjacency=given.adjacency, mask=given.mask)
    if json:
        emit(found.as_dict())
    else:
        out.print(report.pairs_table(found.as_dict().items(), title=str(block.name)))
    return 1 if found.verdict == "refuted" else 0


@app.command
def simulate(
    *,
    stack: Annotated[Stack, Parameter(name="*")] = _PLAIN,
    mask: str = "full",
    seeds: int = 1,
    seed: int = 0,
    backend: str = "numpy",
    device: str | None = None,
    dtype: Literal["float32", "float64"] = "float64",
    json: Json = False,
    plot: Plot = None,
) -> int:
    """Send random tokens through a random stack and measure layer by layer.

    Parameters
    ----------
    mask
        full, causal, window:R, causal-window:R, blocks:N1,N2,... or a boolean .npy file.
    seeds
        How many runs; the table shows mean cosine, distance and rank, worst-case coefficients.
    seed
        The first run's seed.
    backend
        numpy, torch or cupy.
    device
        A device of that backend, such as cuda.
    dtype
        The floating type; verdicts are meant for float64.
    json
        Print one JSON object and nothing else.
    plot
        Also draw the measures against depth, to a .png or .pdf file.
    """
    on = load_backend(backend, device=device, dtype=dtype)
    allowed = mask_by_name(mask, stack.tokens)
    trace = simulate_stack(stack, seeds=seeds, seed=seed, mask=allowed, on=on)
    mode = ln_std_mode(stack)
    about = {
        "stack": asdict(stack),
        "mask": mask,
        "ln_std_mode": mode,
        "seed": seed,
        "seeds": seeds,
    }
    title = f"{stack.placement}-{stack.norm} stack, LN std {mode}, {mask} mask, {seeds} seed(s)"
    return show_trace(trace, about, title=title, json=json, plot=plot)


@app.command
def analyze(
    model: str,
    *,
    text: Path | None = None,
    max_length: int = 128,
    skip_special: Annotated[bool, Parameter(negative=())] = False,
    dtype: Literal["float32", "float64"] = "float64",
    json: Json = False,
    plot: Plot = None,
) -> int:
    """Put a pretrained model and real texts through the same instruments.

    Parameters
    ----------
    model
        e5-small, minilm, a folder with a Hugging Face BERT checkpoint, or a hub id.
    text
        A UTF-8 file with one text a line; two paragraphs of our own if none is given.
    max_length
        Longest text in tokens; what goes beyond is cut off.
    skip_special
        Leave the tokens that mark start and end out of the similarity measures.
    dtype
        The floating type; verdicts are meant for float64.
    json
        Print one JSON object and nothing else.
    plot
        Also draw the measures against depth, to a .png or .pdf file.
    """
    texts = DEFAULT_TEXTS if text is None else read_texts(text)
    checkpoint = load_checkpoint(model, dtype=dtype)
    trace, encoded = analyze_texts(
        checkpoint, texts, max_length=max_length, skip_special=skip_special
    )
    lengths = encoded.token_mask.sum(axis=-1)
    about = {
        "model": checkpoint.name,
        "source": checkpoint.source,
        "weights_sha256": checkpoint.weights_sha256,
        "texts": len(texts),
        "text_tokens": lengths,
        "truncated": encoded.truncated,
        "skip_special": skip_special,
    }
    if encoded.truncated.any():
        cut = int(encoded.truncated.sum())
        err.print(f"oversmooth: {cut} of {len(texts)} texts were cut at {max_length} tokens")
    title = f"{checkpoint.name}: {len(texts)} text(s), {lengths.min()} to {lengths.max()} tokens"
    return show_trace(trace, about, title=title, json=json, plot=plot)


def show_trace(
    trace: Trace, about: dict[str, Any], *, title: str, json: bool, plot: Path | None
) -> int:
    """Print a trace as a table or JSON, draw it if asked; 1 if the inequality is refuted."""
    if plot is not None:
        from paper_figures.plot_trace import plot_trace  # matplotlib takes a second to import

        plot_trace(trace, plot, title=title)
    if json:
        emit(about | report.trace_json(trace))
    else:
        out.print(report.trace_table(trace, title=title))
        out.print(report.reading(trace), soft_wrap=True, highlight=False)
    inequality = trace.inequality
    return 1 if inequality is not None and (inequality == "refuted").any() else 0


def emit(value: Any) -> None:
    """Print one JSON object, as it is, on stdout."""
    sys.stdout.write(report.to_json(value) + "\n")
