"""What are the unit-gain weights of each ensemble, in the layout that products want?"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from simulations.stacks.normals import Normals
from simulations.stacks.stack import Stack
from theory.arrays import Array


@dataclass(frozen=True)
class Weights:
    """The unit-gain weights of one layer for several seeds; every cell scales the same ones.

    Shapes: mixing (s, d, 3 d), queries, keys and values of all heads side by side; output
            (s, d, d); bias (s, d); ffn_in (s, d, f), ffn_out (s, f, d), bias_in (s, f) and
            bias_out (s, d), all empty without the sublayer; ffn_gate (s, d, f) and bias_gate
            (s, f), empty without a gate. The biases are those of bias_std = 1
    """

    mixing: Array
    output: Array
    bias: Array
    ffn_in: Array
    ffn_out: Array
    bias_in: Array
    bias_out: Array
    ffn_gate: Array
    bias_gate: Array


def weights_bytes(stack: Stack, itemsize: int) -> int:
    """Return the memory that the weights of one seed and layer take."""
    d, f = stack.width, stack.ffn_width
    gate = d * f + f if stack.gated else 0
    return itemsize * (4 * d * d + d + (2 * d * f + f + d if f else 0) + gate)


def empty_weights(stack: Stack, *, seeds: int, dtype: np.dtype[Any]) -> Weights:
    """Return room for the weights of one layer and so many seeds, in host memory."""
    d, f = stack.width, stack.ffn_width

    def room(*shape: int) -> Array:
        return np.empty((seeds, *shape), dtype)

    return Weights(
        mixing=room(d, 3 * d),
        output=room(d, d),
        bias=room(d),
        ffn_in=room(d, f),
        ffn_out=room(f, d),
        bias_in=room(f),
        bias_out=room(d if f else 0),
        ffn_gate=room(d, f if stack.gated else 0),
        bias_gate=room(f if stack.gated else 0),
    )


def draw_weights(stack: Stack, room: Weights, row: int, *, seed: int, layer: int) -> None:
    """Draw one seed's weights of one layer into its row of the room.

    The same numbers whatever the room's dtype: scaled normals are single precision, which float64
    holds exactly; matrices made of several are float64, rounded where the room is float32. A gate
    comes last, and changes nothing before it.
    """
    normals = Normals(seed, "block", *stack.draw_key(), layer)
    for field in fields(Weights):
        place = getattr(room, field.name)[row]
        if place.ndim == 1:
            normals.fill(place)
        elif stack.weights in ("gaussian", "bert"):
            std = 0.02 if stack.weights == "bert" else max(1, place.shape[0]) ** -0.5
            normals.fill(place.reshape(-1), std=std)  # a view, since a row of the room is one piece
        else:
            width = place.shape[1] // (3 if field.name == "mixing" else 1)
            for start in range(0, place.shape[1], max(1, width)):
                part = place[:, start : start + width]
                part[...] = _matrix(stack, normals, *part.shape)


def orthogonal(normals: Normals, rows: int, columns: int) -> Array:
    """Return a Haar-distributed matrix with orthonormal rows or columns, whichever are fewer."""
    tall = normals.draw(max(rows, columns), min(rows, columns))
    basis, triangle = np.linalg.qr(tall)
    # Without the signs QR is not Haar; a zero, which single precision does draw, has either.
    basis = basis * np.copysign(1.0, np.diagonal(triangle))
    return basis if rows >= columns else basis.T


def _matrix(stack: Stack, normals: Normals, rows: int, columns: int) -> Array:
    """Draw one matrix that keeps, at unit gain, the scale of what it multiplies."""
    if not rows or not columns:
        return np.empty((rows, columns))
    if stack.weights == "orthogonal":
        return orthogonal(normals, rows, columns)
    if stack.weights == "low-rank":
        rank = min(stack.rank, rows, columns)
        left, right = normals.draw(rows, rank), normals.draw(rank, columns)
        return left @ right / np.sqrt(rows * rank)
    return np.eye(rows, columns) + 0.1 * normals.draw(rows, columns) / np.sqrt(rows)
