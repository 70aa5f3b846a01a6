"""The command that trains with and without fusion of the layers: fuse."""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter
from rich.table import Table

from paper_figures.command.terminal import Flag, emit, err, out
from simulations.fusion.recipe import (
    FUSIONS,
    DataName,
    Encoder,
    FusionKind,
    Precision,
    Readout,
    Recipe,
)
from theory.arrays import InputError

_Wanted: TypeAlias = Literal["baseline", "concat", "max", "gate", "all"]


@dataclass(frozen=True)
class TrainingOptions:
    """What is trained: the data, the encoder and its fusions, over how many seeds.

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
    """

    data: DataName = "mnist"
    fusion: _Wanted = "all"
    depth: int | None = None
    seeds: int = 5
    encoder: Encoder | None = None
    frozen: Flag = False
    tied: Flag = False
    shared: Annotated[tuple[int, int] | None, Parameter(negative=())] = None
    readout: Readout = "mean"
    device: str = "cpu"
    precision: Precision | None = None

    @property
    def fusions(self) -> tuple[FusionKind, ...]:
        """The fusions that are compared."""
        return FUSIONS if self.fusion == "all" else (self.fusion,)


@dataclass(frozen=True)
class SizeOptions:
    """How much is trained.

    Parameters
    ----------
    quick
        A trial in minutes: few examples, little said by its scores.
    full
        All examples, long training: hours on a CPU.
    """

    quick: Flag = False
    full: Flag = False


_EACH = Parameter(name="*")  # every field is an option of its own
_TRAINING, _SIZE = TrainingOptions(), SizeOptions()


def fuse(
    *,
    training: Annotated[TrainingOptions, _EACH] = _TRAINING,
    out_dir: Annotated[Path, Parameter(name="--out")] = Path("fusion-runs"),
    resume: Flag = False,
    size: Annotated[SizeOptions, _EACH] = _SIZE,
    json: Flag = False,
) -> int:
    """Train encoders whose layers are fused, or not, and compare them over paired seeds.

    Prints score, its gain over the baseline and CosSim, with 95 % intervals over seeds. Each run
    is stored in a file of its own with what made it; a checkpoint is kept after every epoch.

    Parameters
    ----------
    out_dir
        The folder of the runs.
    resume
        Keep the runs that are there, and go on with the one that was broken off.
    json
        Print one JSON object and nothing else.
    """
    recipes = _recipes(training, size)
    from simulations.fusion.runs import run_all

    found = run_all(
        recipes,
        seeds=training.seeds,
        out=out_dir,
        command=shlex.join(["oversmooth", *sys.argv[1:]]),
        resume=resume,
        on_progress=lambda line: err.print(line, highlight=False, markup=False, soft_wrap=True),
    )
    if json:
        emit(found)
    else:
        out.print(_table(found["summary"]))
    return 0


def _recipes(asked: TrainingOptions, size: SizeOptions) -> list[Recipe]:
    """Return the recipe of each fusion that is compared."""
    if size.quick and size.full:
        raise InputError("--quick and --full exclude each other")
    from simulations.fusion.sizes import recipe_for

    base = recipe_for(
        asked.data,
        size="quick" if size.quick else "full" if size.full else "usual",
        depth=asked.depth,
        encoder=asked.encoder,
        frozen=asked.frozen,
        tied=asked.tied,
        shared=asked.shared,
        readout=asked.readout,
        device=asked.device,
        precision=asked.precision,
    )
    return [replace(base, fusion=each) for each in asked.fusions]


def _table(rows: list[dict[str, Any]]) -> Table:
    """Return score, gain and similarity of each fusion."""
    table = Table("fusion", "depth", "seeds", "score", "gain", "CosSim last", "CosSim F")
    for row in rows:
        score = _with_interval(row["score"], row["half_width"])
        gain = _with_interval(row["gain"], row["gain_half_width"], sign="+")
        cosines = (f"{row['cosine_last']:.3f}", f"{row['cosine_fused']:.3f}")
        table.add_row(row["fusion"], str(row["depth"]), str(row["seeds"]), score, gain, *cosines)
    return table


def _with_interval(value: float | None, half: float | None, *, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{value:{sign}.4f}" + ("" if half is None else f" ± {half:.4f}")
