"""The command that trains with and without fusion of the layers: fuse."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.table import Table

from paper_figures.command.terminal import Json, app, emit, err, out
from simulations.fusion.recipe import FUSIONS, DataName, Encoder, Fusion, Precision, Readout
from theory.arrays import InputError

Wanted = Literal["baseline", "concat", "max", "gate", "all"]
Flag = Annotated[bool, Parameter(negative=())]


@app.command
def fuse(
    *,
    data: DataName = "mnist",
    fusion: Wanted = "all",
    depth: int | None = None,
    seeds: int = 5,
    encoder: Encoder | None = None,
    frozen: Flag = False,
    tied: Flag = False,
    shared: Annotated[tuple[int, int] | None, Parameter(negative=())] = None,
    readout: Readout = "mean",
    device: str = "cpu",
    precision: Precision | None = None,
    out_dir: Annotated[Path, Parameter(name="--out")] = Path("fusion-runs"),
    resume: Flag = False,
    quick: Flag = False,
    full: Flag = False,
    json: Json = False,
) -> int:
    """Train encoders whose layers are fused, or not, and compare them over paired seeds.

    Prints score, its gain over the baseline and CosSim, with 95 % intervals over seeds. Each run
    is stored in a file of its own with what made it; a checkpoint is kept after every epoch.

    Parameters
    ----------
    data
        lee is scored by Spearman's correlation with people's ratings, all others by accuracy.
    fusion
        baseline reads the last layer alone; all are compared if nothing is given.
    depth
        Number of blocks; 6 for minilm, else 12.
    seeds
        How many, counted from 0.
    encoder
        minilm or e5-small, pretrained, for texts, or scratch; if not given, minilm for texts.
    frozen
        Train fusion and classifier only.
    tied
        All blocks have the same weights; with --encoder scratch.
    shared
        First and last of the blocks that use one attention matrix.
    readout
        What of F is classified: its mean token, or its first one ([CLS]; texts only).
    device
        Such as cpu or cuda.
    precision
        Of the products of matrices in training; if not given, bfloat16 on a GPU, else float32.
    out_dir
        The folder of the runs.
    resume
        Keep the runs that are there, and go on with the one that was broken off.
    quick
        A trial in minutes: few examples, little said by its scores.
    full
        All examples, long training: hours on a CPU.
    json
        Print one JSON object and nothing else.
    """
    if quick and full:
        raise InputError("--quick and --full exclude each other")
    from simulations.fusion.runs import run_all
    from simulations.fusion.sizes import recipe_for

    base = recipe_for(
        data,
        size="quick" if quick else "full" if full else "usual",
        depth=depth,
        encoder=encoder,
        frozen=frozen,
        tied=tied,
        shared=shared,
        readout=readout,
        device=device,
        precision=precision,
    )
    fusions: tuple[Fusion, ...] = FUSIONS if fusion == "all" else (fusion,)
    found = run_all(
        [replace(base, fusion=each) for each in fusions],
        seeds=seeds,
        out=out_dir,
        command=shlex.join(["oversmooth", *sys.argv[1:]]),
        resume=resume,
        on_progress=lambda line: err.print(line, highlight=False, markup=False, soft_wrap=True),
    )
    if json:
        emit(found)
        return 0
    table = Table("fusion", "depth", "seeds", "score", "gain", "CosSim last", "CosSim F")
    for row in found["summary"]:
        score = _with_interval(row["score"], row["half_width"])
        gain = _with_interval(row["gain"], row["gain_half_width"], sign="+")
        cosines = (f"{row['cosine_last']:.3f}", f"{row['cosine_fused']:.3f}")
        table.add_row(row["fusion"], str(row["depth"]), str(row["seeds"]), score, gain, *cosines)
    out.print(table)
    return 0


def _with_interval(value: float | None, half: float | None, *, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{value:{sign}.4f}" + ("" if half is None else f" ± {half:.4f}")
