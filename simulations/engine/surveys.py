"""What do many random stacks read, cell by cell and seed by seed, faster than one by one?

The weights of a seed and layer are drawn once for all the cells of a grid, which only scale
them; tokens stream through the layers in chunks of a few megabytes, so that memory grows
neither with the depth nor with the batch, only with the numbers asked for.
"""

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from simulations.engine.chunk import Columns, cells_together, hold_memory, plan_chunk, run_chunk
from simulations.engine.coefficients import coefficients, saturations
from simulations.machine.backends import Backend, backend
from simulations.numbers import Numbers
from simulations.stacks.stack import Stack
from theory.arrays import Array, InputError, require_mask, to_numpy
from theory.records import brief_repr

Quantity: TypeAlias = Literal[
    "cosine_similarity",
    "distance",
    "participation_rank",
    "effective_rank",
    "coefficients",
    "diameter",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
_COSTLY = ("effective_rank", "diameter")
DEFAULT_QUANTITIES = tuple(name for name in QUANTITIES if name not in _COSTLY)

SCALING = (
    *("value_gain", "ffn_gain", "score_gain", "tau", "fixed_std"),
    *("residual", "norm_gain", "bias_std", "residual_attention", "residual_ffn"),
)
"""The fields of a stack that only scale a draw, or what comes of it: these make up cells."""

HOST_BYTES = 48 * 2**20
DEVICE_BYTES = 2**30


@brief_repr
@dataclass(frozen=True)
class Survey:
    """Readings before the first block and after each (tokens), and of each block (blocks).

    tokens: cosine_similarity; norm, distance, log_distance and relative_distance; distance_noise,
    True where rounding of the tokens alone may move the distance by more than the tolerance;
    participation_rank; effective_rank; diameter. blocks: measured_ratio, diameter_ratio;
    lambda_lower and lambda_upper, lambda_tier (how the bracket was found), lambda_noise (as
    distance_noise); s_lower, s_upper; sigma_1, sigma_2; v and v_sharp on their upper, safe side,
    v_sharp of a gated cell with one constant for all hidden features, where `theory` may have one
    for each; with the diameter v_diameter and attention_diameter likewise; where the distance is
    read too, saturation, which bounds the ratio of a block that ends with a norm. NaN from the
    layer on where a token had no direction or left the range of the dtype.

    Shapes: tokens[name] (L + 1, cells, seeds), blocks[name] (L, cells, seeds)
    """

    cells: tuple[Stack, ...]
    seeds: range
    tokens: Mapping[str, Numbers]
    blocks: Mapping[str, Numbers]

    @property
    def complete(self) -> Numbers:
        """Whether all numbers of a cell and seed are there to the last layer: (cells, seeds)."""
        last = [columns[-1] for columns in self.tokens.values()]
        return np.asarray(~np.isnan(np.stack(last)).any(axis=0))


def grid(stack: Stack, **axes: Sequence[float | None]) -> list[Stack]:
    """Return a stack for every combination of values, the last axis fastest.

    Raises: InputError for an axis that does more than scale a draw
    """
    for name in axes:
        if name not in SCALING:
            raise InputError(f"an axis of a grid must be one of {', '.join(SCALING)}, not {name!r}")
    combinations = itertools.product(*axes.values())
    changes: Any = [dict(zip(axes, values, strict=True)) for values in combinations]
    return [replace(stack, **change) for change in changes]


def survey(
    cells: Sequence[Stack],
    *,
    seeds: range,
    mask: Array | None = None,
    on: Backend | None = None,
    quantities: Collection[Quantity] = DEFAULT_QUANTITIES,
    tolerance: float = 1e-2,
    chunk_bytes: int | None = None,
) -> Survey:
    """Run every cell on every seed and return all readings.

    The draws are those of `draw_blocks`, bit for bit, whatever cells, seeds,
    chunks or backend. The readings agree with `theory` within rounding; on NumPy they are bitwise
    the same for the same chunks. ``tolerance`` is the relative width wanted of the brackets. Where
    memory runs out, the chunk is halved.

    Shapes: mask boolean (n, n), True where a token may listen, the same for all
    Raises: InputError for cells that do not share their draws, no seeds, or a wrong option
    """
    parts = survey_chunks(
        cells,
        seeds=seeds,
        mask=mask,
        on=on,
        quantities=quantities,
        tolerance=tolerance,
        chunk_bytes=chunk_bytes,
    )
    tokens: dict[str, Numbers] = {}
    blocks: dict[str, Numbers] = {}
    for place, part in parts:
        for whole, columns in ((tokens, part.tokens), (blocks, part.blocks)):
            for name, values in columns.items():
                if name not in whole:
                    shape = (len(values), len(cells), len(seeds))
                    whole[name] = np.empty(shape, values.dtype)
                whole[name][:, place[0], place[1]] = values
    return Survey(tuple(cells), seeds, tokens, blocks)


def join_surveys(parts: Sequence[Survey]) -> Survey:
    """Put surveys of the same cells on consecutive seeds together."""
    tokens, blocks = (
        {
            name: np.concatenate([getattr(part, field)[name] for part in parts], axis=-1)
            for name in getattr(parts[0], field)
        }
        for field in ("tokens", "blocks")
    )
    seeds = range(parts[0].seeds.start, parts[-1].seeds.stop, parts[0].seeds.step)
    return Survey(parts[0].cells, seeds, tokens, blocks)


def survey_chunks(
    cells: Sequence[Stack],
    *,
    seeds: range,
    mask: Array | None = None,
    on: Backend | None = None,
    quantities: Collection[Quantity] = DEFAULT_QUANTITIES,
    tolerance: float = 1e-2,
    chunk_bytes: int | None = None,
) -> Iterator[tuple[tuple[slice, slice], Survey]]:
    """Yield what `survey` returns chunk by chunk, each with its place: (cells, seeds).

    For batches whose readings would not fit into memory.
    """
    on = backend() if on is None else on
    _require(cells, seeds, quantities, tolerance)
    stack = cells[0]
    if mask is not None:
        require_mask("mask", mask, stack.tokens, stack.tokens)
        if not bool(np.all(np.any(to_numpy(mask), axis=-1))):
            raise InputError("mask must leave every token at least one token to listen to")
        mask = None if bool(np.all(to_numpy(mask))) else on.move(mask)
    budget = chunk_bytes or (HOST_BYTES if on.name == "numpy" else DEVICE_BYTES)
    hold_memory()
    together = cells_together(stack, on=on, chunk_bytes=budget)
    for first in range(0, len(cells), together):
        group = cells[first : first + together]
        done = 0
        while done < len(seeds):
            left = len(seeds) - done
            fit = plan_chunk(stack, cells=len(group), seeds=left, on=on, chunk_bytes=budget)
            some = seeds[done : done + fit.seeds]
            try:
                tokens, blocks = run_chunk(
                    group,
                    seeds=some,
                    mask=mask,
                    on=on,
                    quantities=quantities,
                    tolerance=tolerance,
                    fit=fit,
                )
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or fit.smallest:
                    raise
                budget = max(1, budget // 2)
                continue
            place = (slice(first, first + len(group)), slice(done, done + fit.seeds))
            yield place, _finish(group, some, tokens, blocks, tolerance, on)
            done += fit.seeds


def _out_of_memory(error: Exception) -> bool:
    """Tell exhausted memory from other errors, without importing the libraries that raise it."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _finish(
    cells: Sequence[Stack],
    seeds: range,
    tokens: Columns,
    blocks: Columns,
    tolerance: float,
    on: Backend,
) -> Survey:
    """Add what follows from the columns on the host."""
    found = coefficients(cells, blocks) if blocks else {}
    if "distance" in tokens:
        with np.errstate(divide="ignore", invalid="ignore"):
            tokens["log_distance"] = np.log(tokens["distance"])
            ratio = tokens["distance"][1:] / tokens["distance"][:-1]
        # A token's entries are known to an eps or two of themselves: 4 for the layer's sums.
        unit = float(on.xp.finfo(on.dtype).eps)
        tokens["distance_noise"] = 4 * unit > tolerance * tokens["relative_distance"]
        found = {"measured_ratio": ratio} | found
        if blocks and (limit := saturations(cells)) is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                found["saturation"] = limit / tokens["distance"][:-1]
    if "diameter" in tokens:
        with np.errstate(divide="ignore", invalid="ignore"):
            found["diameter_ratio"] = tokens["diameter"][1:] / tokens["diameter"][:-1]
    return Survey(tuple(cells), seeds, tokens, found)


def _require(
    cells: Sequence[Stack], seeds: range, quantities: Collection[str], tolerance: float
) -> None:
    if isinstance(cells, Stack):
        raise InputError("cells must be a sequence of stacks, but is one Stack: put it in a list")
    if not isinstance(seeds, range):
        raise InputError(f"seeds must be a range, as range(8), but is {seeds!r}")
    if not cells or not seeds:
        raise InputError("cells and seeds must hold at least one member each")
    plain = {name: getattr(cells[0], name) for name in SCALING}
    for i, cell in enumerate(cells):
        if replace(cell, **plain) != cells[0]:
            raise InputError(
                f"cells must differ in {', '.join(SCALING)} only, since they share their draws, "
                f"but cells 0 and {i} differ in more; survey them apart"
            )
    wrong = set(quantities) - set(QUANTITIES)
    if wrong or not quantities:
        raise InputError(
            f"quantities must be some of {', '.join(QUANTITIES)}, but are {sorted(quantities)}"
        )
    if not 0 < tolerance < math.inf:
        raise InputError(f"tolerance must be finite and positive, but is {tolerance}")
