"""What does the derivative of a model's layers make of differences, along real trajectories?

Nothing is near consensus there, unless the differences are shrunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulations.law.model_layers import Layer
from simulations.numbers import Numbers
from simulations.stacks.seeds import generator
from theory.bounds.coefficients import block_coefficients
from theory.law.cocycle import apply_step
from theory.law.synchronised import synchronised_orbit
from theory.records import brief_repr

_EPS = float(np.finfo(np.float64).eps)
STEP = _EPS ** (1 / 3)
"""Of a centred difference, relative to the tokens: 6e-6. Curvature leaves STEP^2 and rounding
eps / STEP, both 4e-11: no other power makes the larger of them smaller."""
SHRUNK = _EPS ** (1 / 2)
"""What differences are shrunk to, relative to the mean token: 1.5e-8. The law leaves out what is of
that size, and rounding eps over it, which is of the same; a layer's curvature multiplies both."""


@brief_repr
@dataclass(frozen=True, eq=False)
class TangentModel:
    """The derivative of the actual layers along real trajectories, beside what was measured.

    ``measured`` is d_M after a layer over before. ``own`` is what the layer's derivative makes of
    the text's own differences, ``law`` what the law at the text's mean token makes of those same
    differences, and ``near`` what the model itself does to them once they are `SHRUNK`.
    ``exponents`` are finite-time Lyapunov exponents, the mean logarithm a layer of
    the leading tangent vectors, in the space of all n d numbers; ``local`` has them layer by
    layer. ``step_error`` is by how much a step twice as long changes ``own``, relative.

    Shapes: measured, own, law, near, v_sharp, v, step_error (texts, layers);
            exponents (texts, k), local (texts, layers, k); lengths (texts,)
    """

    measured: Numbers
    own: Numbers
    law: Numbers
    near: Numbers
    v_sharp: Numbers
    v: Numbers
    exponents: Numbers
    local: Numbers
    step_error: Numbers
    lengths: Numbers


def tangent_model(
    layers: Sequence[Layer],
    texts: Sequence[Numbers],
    *,
    vectors: int = 4,
    seed: int = 0,
) -> TangentModel:
    """Follow texts (n, d) through the layers, with the derivative of each at the text itself."""
    rows: dict[str, list[list[float]]] = {}
    local = []
    for tokens in texts:
        columns: dict[str, list[float]] = {}
        n, d = tokens.shape
        noise = generator(seed, "tangent vectors", n, d, vectors)
        tangents = _orthonormal(noise.standard_normal((vectors, n, d)))[0]
        orbit = synchronised_orbit((layer.block for layer in layers), tokens.mean(axis=0))
        at_mean = _centre(tokens)
        near = shrunk_differences(layers, tokens)
        stretches = []
        for layer, step, shrunk in zip(layers, orbit, near, strict=True):
            here = _centre(tokens)
            run = layer.run(tokens)
            images = directional(layer, tokens, np.concatenate([here[None], tangents]))
            twice = directional(layer, tokens, here[None], step=2 * STEP)[0]
            own = _centre(images[0])
            tangents, stretch = _orthonormal(images[1:])
            stretches.append(np.log(stretch))
            next_mean = _centre(apply_step(step, layer.walks(step.listening, n), at_mean))
            coefficients = block_coefficients(layer.block, run, norms=layer.norms)
            found = {
                "measured": _size(_centre(run.output)) / _size(here),
                "own": _size(own) / _size(here),
                "law": _size(next_mean) / _size(at_mean),
                "near": shrunk,
                "v_sharp": coefficients.v_sharp,
                "v": coefficients.v,
                "step_error": _size(_centre(twice) - own) / _size(own),
            }
            for name, value in found.items():
                columns.setdefault(name, []).append(float(value))
            tokens, at_mean = run.output, next_mean / _size(next_mean)
        local.append(stretches)
        for name, values in columns.items():
            rows.setdefault(name, []).append(values)
    table = {name: np.asarray(values) for name, values in rows.items()}
    layered: Numbers = np.asarray(local)
    lengths = np.asarray([len(tokens) for tokens in texts])
    return TangentModel(**table, exponents=layered.mean(axis=1), local=layered, lengths=lengths)


def shrunk_differences(
    layers: Sequence[Layer], tokens: Numbers, *, spread: float = SHRUNK
) -> Numbers:
    """Return by which factor each layer changes d_M, once differences are shrunk at the start.

    The model itself runs, on x + t D, with the mean token x and what differs from it. What the
    law leaves out, and rounding, are of the size of t and of eps over it, times what the layers
    before have made of differences.

    Shapes: tokens (n, d) -> (layers,)
    """
    mean, apart = tokens.mean(axis=0), _centre(tokens)
    tokens = mean + spread * float(np.linalg.norm(mean)) / _size(apart) * apart
    sizes = [_size(_centre(tokens))]
    for layer in layers:
        tokens = layer.run(tokens).output
        sizes.append(_size(_centre(tokens)))
    ratios: Numbers = np.asarray(sizes[1:]) / np.asarray(sizes[:-1])
    return ratios


def directional(
    layer: Layer, tokens: Numbers, directions: Numbers, *, step: float = STEP
) -> Numbers:
    """Return the derivative of a layer at some tokens, along several directions at once.

    Shapes: tokens (n, d), directions (k, n, d) -> (k, n, d)
    """
    sizes = np.linalg.norm(directions, axis=(-2, -1), keepdims=True)
    t = step * _size(tokens) / np.where(sizes > 0, sizes, 1.0)
    both = np.concatenate([tokens + t * directions, tokens - t * directions])
    out = layer.run(both).output
    plus, minus = np.split(out, 2)
    slope: Numbers = (plus - minus) / (2 * t)
    return slope


def _orthonormal(vectors: Numbers) -> tuple[Numbers, Numbers]:
    """Return an orthonormal basis of the vectors (k, n, d), and by how much QR shrank them."""
    flat = vectors.reshape(len(vectors), -1).T
    q, r = np.linalg.qr(flat)
    return q.T.reshape(vectors.shape), np.abs(np.diagonal(r))


def _centre(tokens: Numbers) -> Numbers:
    out: Numbers = tokens - tokens.mean(axis=0)
    return out


def _size(tokens: Numbers) -> float:
    return float(np.linalg.norm(tokens))
