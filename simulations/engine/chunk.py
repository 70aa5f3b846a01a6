"""What does one chunk read at every layer: some seeds, and the cells that share their draws?

Tokens go through a layer in tiles that fit a processor's cache; the matrices whose norms are
wanted are put side by side and bracketed once a layer, since iterations cost by the call.
"""

import ctypes
import itertools
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np

from simulations.engine.draws import Draws, draw_entry
from simulations.engine.measures import (
    AttentionSeen,
    attention_coefficients,
    attention_of,
    measure_tile,
)
from simulations.engine.scales import cell_scales
from simulations.engine.spectra import weight_brackets
from simulations.engine.step import step, step_bytes
from simulations.machine.backends import Backend
from simulations.numbers import Numbers
from simulations.stacks.stack import Stack
from simulations.stacks.weights import weights_bytes
from theory.arrays import Array, namespace, to_numpy

Columns: TypeAlias = dict[str, Numbers]

_CACHE_BYTES = 5 * 2**19
_HELD_BYTES = 30 * 2**20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class ChunkPlan(NamedTuple):
    """How many seeds a chunk holds, and how many seeds and cells a tile."""

    seeds: int
    tile_seeds: int
    tile_cells: int

    @property
    def smallest(self) -> bool:
        """Whether there is nothing left to halve."""
        return self.seeds == self.tile_seeds == self.tile_cells == 1


def plan_chunk(stack: Stack, *, cells: int, seeds: int, on: Backend, chunk_bytes: int) -> ChunkPlan:
    """Fit a chunk into so many bytes, and its tiles into a cache; each has one member at least."""
    size = itemsize(on)
    weights, working = weights_bytes(stack, size), step_bytes(stack, size)
    tile = min(chunk_bytes, _CACHE_BYTES) if on.name == "numpy" else chunk_bytes // 2
    tile_cells = max(1, min(cells, tile // working))
    tile_seeds = max(1, tile // (weights + tile_cells * working)) if tile_cells == cells else 1
    together = max(1, min(seeds, chunk_bytes // (weights + cells * _kept_bytes(stack, size))))
    return ChunkPlan(together, min(tile_seeds, together), tile_cells)


def cells_together(stack: Stack, *, on: Backend, chunk_bytes: int) -> int:
    """Return how many cells of one seed fit into so many bytes: more have to draw again."""
    size = itemsize(on)
    left = chunk_bytes - min(weights_bytes(stack, size), chunk_bytes // 2)
    return max(1, left // _kept_bytes(stack, size))


def _kept_bytes(stack: Stack, size: int) -> int:
    """Return the memory for one seed and cell between two layers, and for its brackets."""
    n, d, h = stack.tokens, stack.width, stack.heads
    return size * (n * d + 2 * h * n * n)


@cache
def hold_memory() -> None:
    """Have the C library keep what is freed, for the next layer to use again.

    glibc gives large blocks back at once, and every page of the next one has to be cleared by the
    system first: a fifth of the time, and half of it in a worker of Dask, which sets glibc's limit
    low in its environment. So it is told by mallopt, which overrules that. Nothing is touched, so
    no memory is taken; libraries without mallopt pay no heed.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tell is not None:
        tell(_M_MMAP_THRESHOLD, _HELD_BYTES)
        tell(_M_TRIM_THRESHOLD, 8 * _HELD_BYTES)


def itemsize(on: Backend) -> int:
    """Return the bytes of one number."""
    return 4 if on.dtype == on.xp.float32 else 8


@np.errstate(all="ignore")  # what leaves the dtype's range comes back as NaN
def run_chunk(
    cells: Sequence[Stack],
    *,
    seeds: range,
    mask: Array | None,
    on: Backend,
    quantities: Collection[str],
    tolerance: float,
    fit: ChunkPlan,
    draws: Draws | None = None,
) -> tuple[Columns, Columns]:
    """Stream the chunk through the layers and return the columns of tokens and of blocks.

    At any time there are the weights and the attention of one layer and the tokens between two;
    nothing grows with the depth but the columns. ``draws`` may stand in for those of the seeds.

    Shapes: tokens' columns (L + 1, c, s), blocks' (L, c, s); value norms of the heads (L, h, s)
    """
    stack, xp, in_place = cells[0], on.xp, on.name == "numpy"
    entry = draw_entry(stack, seeds=seeds, on=on)[:, None]
    shape = (len(seeds), len(cells), stack.tokens, stack.width)
    slices = [slice(i, i + fit.tile_cells) for i in range(0, len(cells), fit.tile_cells)]
    scales = [cell_scales(cells[cut], on=on) for cut in slices]
    rows_of = [slice(i, i + fit.tile_seeds) for i in range(0, len(seeds), fit.tile_seeds)]
    tiles = list(itertools.product(rows_of, range(len(slices))))
    whole = xp.broadcast_to(entry, shape)
    states = [+whole[rows, slices[i]] for rows, i in tiles]
    wanted = "coefficients" in quantities
    room = None
    if wanted and in_place:
        room = np.empty((*shape[:2], stack.heads, stack.tokens, stack.tokens), on.dtype)
    read = [_join([measure_tile(x, quantities=quantities) for x in states], len(slices))]
    blocks: list[dict[str, Array]] = []
    draws = Draws(stack, seeds=seeds, on=on) if draws is None else draws
    for layer in range(stack.depth):
        found, seen = [], []
        for at, (rows, i) in enumerate(tiles):
            if i == 0:
                weights = draws.part(layer, rows)
            place = None if room is None else room[rows, slices[i]]
            after = step(stack, weights, scales[i], states[at], mask, adjacency=place)
            if wanted:
                seen.append(attention_of(after)._asdict())
            found.append(measure_tile(after.tokens, quantities=quantities))
            if in_place:
                states[at][...] = after.tokens
            else:
                states[at] = after.tokens
        read.append(_join(found, len(slices)))
        if wanted:
            joined = AttentionSeen(**_join(seen, len(slices), whole=room))
            if layer == 0 or not stack.tied:
                norms = weight_brackets(stack, draws.whole(), tolerance=tolerance)
            row = attention_coefficients(
                joined, norms, tolerance=tolerance, diameter="diameter" in quantities
            )
            blocks.append(row | norms.columns())
    return _to_host(read), _to_host(blocks)


def _join(
    tiles: list[dict[str, Array]], across: int, *, whole: Array | None = None
) -> dict[str, Array]:
    """Put tiles together, ``across`` of them for the cells and then on along the seeds.

    A part that was written into ``whole`` is not copied again.
    """
    out = {}
    for name, first in tiles[0].items():
        if name == "weights" and whole is not None:
            out[name] = whole
        elif len(tiles) == 1:
            out[name] = first
        else:
            xp, parts = namespace(first), [tile[name] for tile in tiles]
            lines = [parts[i : i + across] for i in range(0, len(parts), across)]
            out[name] = xp.concat([xp.concat(line, axis=1) for line in lines], axis=0)
    return out


def _to_host(rows: Sequence[Mapping[str, Array]]) -> Columns:
    """Stack the layers and copy once: (s, c) each -> (L, c, s)."""
    if not rows:
        return {}
    return {
        name: np.swapaxes(to_numpy(namespace(first).stack([row[name] for row in rows])), 1, -1)
        for name, first in rows[0].items()
    }
