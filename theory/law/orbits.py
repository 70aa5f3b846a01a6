"""Where does the token end up that all tokens are equal to: at a point, on a cycle, nowhere?

With tied weights the rates near consensus follow from the attractor: a spectral radius at a fixed
point or over a cycle, an average along an orbit that never closes. All of it is about one network
and runs in NumPy's float64, whatever comes in.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from theory.arrays import Array, InputError, namespace, require_float, to_numpy
from theory.blocks.weights import Block
from theory.blocks.wiring import block_norms
from theory.law.synchronised import (
    linearise,
    require_token,
    synchronised_step,
    transverse_factor,
)
from theory.records import brief_repr
from theory.statements.instances import map_arrays

Matrix: TypeAlias = np.ndarray[Any, Any]
_EPS = float(np.finfo(np.float64).eps)
_NEWTON_STEPS = 12


@brief_repr
@dataclass(frozen=True, eq=False)
class Attractor:
    """The points that the synchronised token visits in turn; more than one make a cycle.

    ``residual`` is how far the last one misses the first, relative to it. ``growth`` is by which
    factor the token grows a layer: 1 unless the block is homogeneous (no norm, no bias, ReLU or
    identity), where the points are directions, of norm one.

    Shapes: points (period, d)
    """

    points: Matrix
    residual: float
    growth: float

    @property
    def period(self) -> int:
        """After how many layers the token is back; 1 at a fixed point."""
        return len(self.points)


def host_block(block: Block) -> Block:
    """Return one block as NumPy float64.

    Raises: InputError if its weights have batch axes of length other than one
    """

    def convert(array: Array, axes: tuple[str, ...]) -> Matrix:
        require_float("every weight", array)
        rank = array.ndim - len(axes)
        batch = tuple(array.shape[:rank])
        if any(length != 1 for length in batch):
            raise InputError(
                f"the law is about one network, but a weight has batch axes {batch}; choose a "
                "member with theory.statements.instances.member"
            )
        return to_numpy(array).astype(np.float64).reshape(array.shape[rank:])

    return map_arrays(convert, block)


def host_array(name: str, array: Array) -> Matrix:
    """Return an array of any library on the host.

    Raises: InputError if it is no plain array
    """
    try:
        namespace(array)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return to_numpy(array)


def host_token(token: Array) -> Matrix:
    """Return one token (d,) as NumPy float64; a batch axis of length one is dropped."""
    require_float("token", token)
    row = to_numpy(token).astype(np.float64)
    if row.ndim == 0 or row.size != row.shape[-1]:
        raise InputError(f"token must be one token (d,), but has shape {row.shape}")
    if not np.isfinite(row).all():
        raise InputError("token must be finite, but holds a NaN or an infinity")
    return row.reshape(-1)


def is_homogeneous(block: Block) -> bool:
    """Return whether block(c x) = c block(x) for every c > 0 because nothing in it has a scale."""
    attention, ffn = block.attention, block.feed_forward
    if ffn is not None:
        if ffn.gated or ffn.activation not in ("relu", "identity"):
            return False
        if ffn.bias_in is not None or ffn.bias_out is not None:
            return False
    scaleless = all(
        norm.kind == "none" or (norm.fixed_std is not None and norm.shift is None)
        for norm in block_norms(block).values()
    )
    return scaleless and attention.bias is None


class _Map(NamedTuple):
    """One layer of a tied stack on the token, or on its direction; the block fits the token."""

    block: Block
    projective: bool

    def step(self, token: Matrix) -> Matrix:
        with np.errstate(over="ignore", invalid="ignore"):
            out: Matrix = synchronised_step(self.block, token, fits=True)
            size = float(np.linalg.norm(out))
        if not np.isfinite(size):
            raise InputError(
                "the token left the range of float64; a norm, or smaller gains, would keep it in it"
            )
        if not self.projective:
            return out
        if size == 0:
            raise InputError("the token became zero, which has no direction")
        return out / size

    def slope(self, token: Matrix) -> Matrix:
        """Return the derivative of `step`."""
        here = linearise(self.block, token, fits=True)
        slope: Matrix = transverse_factor(here, 1.0)
        if not self.projective:
            return slope
        size = float(np.linalg.norm(here.token))
        out = here.token / size
        return (slope - np.outer(slope @ out, out)) / size


def find_attractor(
    block: Block, token: Array, *, most_steps: int = 2000, longest: int = 24
) -> Attractor | None:
    """Follow a token through one block again and again until it repeats; None if it does not.

    From time to time the orbit is compared with its own past: the period is the least number of
    layers, up to ``longest``, after which the token is nearly back. Newton's method on that many
    layers then finds the cycle to rounding. What it finds is kept only if it attracts, to first
    order, and is where the orbit was going.

    Shapes: token (d,)
    Raises: InputError if the token leaves the range of float64, or as `linearise` does
    """
    block, here = host_block(block), host_token(token)
    require_token(block, here)
    projective = is_homogeneous(block)
    layer = _Map(block, projective)
    if projective:
        here = here / (np.linalg.norm(here) or 1.0)
    past, check = [here], 64
    for step in range(1, most_steps + 1):
        here = layer.step(here)
        past = [*past[-longest:], here]
        if step != check:
            continue
        check = min(2 * check, check + 500)
        found = _polish(layer, past)
        if found is not None:
            return found
    return None


def _polish(layer: _Map, past: list[Matrix]) -> Attractor | None:
    here = past[-1]
    size = float(np.linalg.norm(here))
    back = np.asarray([np.linalg.norm(here - then) for then in past[-2::-1]])
    near = np.flatnonzero(back <= 1e-3 * size)
    for period in (int(i) + 1 for i in near[:1]):
        point = here
        best, residual = here, np.inf
        for _ in range(_NEWTON_STEPS):
            end, slope = _around(layer, point, period)
            miss = float(np.linalg.norm(end - point))
            if miss < residual:
                best, residual = point, miss
            elif residual <= 1e-10 * size:
                break
            # Least squares: where a whole line is fixed, the slope minus 1 is singular.
            shift = np.linalg.lstsq((np.eye(point.size) - slope).T, end - point, rcond=None)[0]
            point = point + shift
            if layer.projective:
                point = point / np.linalg.norm(point)
            if not np.isfinite(point).all():
                break
        settled = residual <= 1e3 * _EPS * period * np.sqrt(here.size) * size
        if not settled or np.linalg.norm(best - here) > 0.05 * size:
            continue
        _, slope = _around(layer, best, period)
        if np.abs(np.linalg.eigvals(slope)).max() > 1 + 1e-6:
            continue
        points = [best]
        for _ in range(period - 1):
            points.append(layer.step(points[-1]))
        return Attractor(np.stack(points), residual / (size or 1.0), _growth(layer, points))
    return None


def _around(layer: _Map, point: Matrix, period: int) -> tuple[Matrix, Matrix]:
    """Return where a point is after some layers, and the slope of getting there."""
    slope: Matrix = np.eye(point.size)
    for _ in range(period):
        slope = slope @ layer.slope(point)
        point = layer.step(point)
    return point, slope


def _growth(layer: _Map, points: list[Matrix]) -> float:
    if not layer.projective:
        return 1.0
    sizes = [np.linalg.norm(synchronised_step(layer.block, point)) for point in points]
    return float(np.exp(np.mean(np.log(sizes))))
