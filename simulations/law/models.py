"""What do the exact law and real tangent maps say of a pretrained model, layer by layer?

Two sets of numbers. At the synchronised state, all tokens equal to a start and then to what the
layers make of it, heads see no difference and attend evenly, so that differences are only sent
through (r + F) and the norms: D' = D K, the law with eigenvalue 0. Along the real trajectory the
derivative of the layers themselves is used, and nothing is near consensus.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulations.law.windows import consensus_coefficients
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed
from simulations.models.tokens import encode
from simulations.numbers import Numbers
from simulations.stacks.seeds import generator
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.bounds.coefficients import WeightNorms, block_coefficients, weight_norms
from theory.law.orbits import host_block
from theory.law.synchronised import synchronised_orbit, transverse_factor

_EPS = float(np.finfo(np.float64).eps)
STEP = _EPS ** (1 / 3)
"""Of a centred difference, relative to the tokens: 6e-6. Curvature leaves STEP^2 and rounding
eps / STEP, both 4e-11: no other power makes the larger of them smaller."""


@dataclass(frozen=True, eq=False)
class SynchronisedModel:
    """The transverse rates at equal tokens, for several starts, factors a layer.

    ``starts`` names them; ``typical`` is the growth of a random difference, |K|_F / sqrt(d),
    ``radius`` the spectral radius of K, ``largest`` its norm. ``cumulative`` is the norm of the
    product of all layers up to one, to the power 1 / layers: the finite-time rate of the worst
    difference. ``ends`` are the distances of the last tokens, relative to their norms: 0 where
    two starts end the same, and ``begins`` those of the starts. v and v_sharp are those of
    equal tokens.

    Shapes: typical, radius, largest, cumulative, v_sharp, v (starts, layers);
            begins, ends (starts, starts)
    """

    starts: tuple[str, ...]
    typical: Numbers
    radius: Numbers
    largest: Numbers
    cumulative: Numbers
    v_sharp: Numbers
    v: Numbers
    begins: Numbers
    ends: Numbers


@dataclass(frozen=True, eq=False)
class TangentModel:
    """The derivative of the actual layers along real trajectories, beside what was measured.

    ``measured`` is d_M after a layer over before. ``own`` is what the layer's derivative makes of
    the text's own differences, ``law`` what the law at the text's mean token makes of those same
    differences. ``exponents`` are finite-time Lyapunov exponents, the mean logarithm a layer of
    the leading tangent vectors, in the space of all n d numbers; ``local`` has them layer by
    layer. ``step_error`` is by how much a step twice as long changes ``own``, relative.

    Shapes: measured, own, law, v_sharp, v, step_error (texts, layers);
            exponents (texts, k), local (texts, layers, k); lengths (texts,)
    """

    measured: Numbers
    own: Numbers
    law: Numbers
    v_sharp: Numbers
    v: Numbers
    exponents: Numbers
    local: Numbers
    step_error: Numbers
    lengths: Numbers


@dataclass(frozen=True, eq=False)
class ModelLaw:
    """A pretrained model at the synchronised state, and along its real trajectories."""

    name: str
    source: str
    weights_sha256: str
    prefix: str
    synchronised: SynchronisedModel
    tangent: TangentModel

    @property
    def ordered(self) -> bool:
        """Whether measured <= v_sharp <= v in every layer of every text, as the theorem says."""
        real = self.tangent
        slack = 1 + 1e-9  # rounding of norms and ratios: d^2 eps is 3e-11 for 384 features
        return bool(
            (real.measured <= real.v_sharp * slack).all()
            and (real.v_sharp <= real.v * slack).all()
            and (self.synchronised.largest <= self.synchronised.v_sharp * slack).all()
        )


def model_law(
    checkpoint: Checkpoint | str,
    texts: Sequence[str],
    *,
    max_length: int | None = 64,
    prefix: str | None = None,
    vectors: int = 4,
    seed: int = 0,
) -> ModelLaw:
    """Put a checkpoint's layers beside the law, in float64, special tokens included.

    The synchronised orbits start at each text's mean token, at the mean of those, and at one
    random token of the same size.

    Raises: InputError if there is no such checkpoint or no text, or a text has one token only
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    if not texts:
        raise InputError("texts must hold at least one text, but is empty")
    if vectors < 1:
        raise InputError(f"vectors must be at least 1, but is {vectors}")
    encoded = encode(checkpoint, texts, max_length=max_length, prefix=prefix)
    embedded = np.asarray(embed(checkpoint, encoded), dtype=np.float64)
    each = [rows[present] for rows, present in zip(embedded, encoded.token_mask, strict=True)]
    if min(map(len, each)) < 2:
        raise InputError("every text must have two tokens or more, or there is no difference")
    distinct = {id(block): host_block(block) for block in checkpoint.blocks}
    blocks = [distinct[id(block)] for block in checkpoint.blocks]
    known = {key: weight_norms(block, tolerance=1e-6) for key, block in distinct.items()}
    norms = [known[id(block)] for block in checkpoint.blocks]

    means = [rows.mean(axis=0) for rows in each]
    starts = {f"mean of text {i + 1}": mean for i, mean in enumerate(means)}
    if len(means) > 1:
        starts["mean of all"] = np.mean(means, axis=0)
    noise = generator(seed, "law start", means[0].size).standard_normal(means[0].size)
    starts["random"] = noise * np.linalg.norm(means[0]) / np.linalg.norm(noise)
    return ModelLaw(
        name=checkpoint.name,
        source=checkpoint.source,
        weights_sha256=checkpoint.weights_sha256,
        prefix=encoded.prefix,
        synchronised=synchronised_model(blocks, starts, norms=norms),
        tangent=tangent_model(blocks, each, norms=norms, vectors=vectors, seed=seed),
    )


def synchronised_model(
    blocks: Sequence[Block], starts: dict[str, Numbers], *, norms: Sequence[WeightNorms]
) -> SynchronisedModel:
    """Follow some tokens, each standing for any number of equal ones, through full attention."""
    rows: dict[str, list[list[float]]] = {}
    lasts = []
    even = np.full((2, 2), 0.5)  # how many tokens attend evenly changes no number here
    for start in starts.values():
        columns: dict[str, list[float]] = {}
        product, log, before = np.eye(start.size), 0.0, start
        for layer, step in enumerate(synchronised_orbit(blocks, start)):
            factor = transverse_factor(step, 0.0)
            product = product @ factor
            size = float(np.linalg.norm(product, ord=2))
            product, log = product / size, log + float(np.log(size))
            v, sharp = consensus_coefficients(blocks[layer], even, before[None], norms=norms[layer])
            found = {
                "typical": np.linalg.norm(factor) / start.size**0.5,
                "radius": np.abs(np.linalg.eigvals(factor)).max(),
                "largest": np.linalg.norm(factor, ord=2),
                "cumulative": np.exp(log / (layer + 1)),
                "v_sharp": sharp[0],
                "v": v[0],
            }
            for name, value in found.items():
                columns.setdefault(name, []).append(float(value))
            before = step.token
        lasts.append(before)
        for name, values in columns.items():
            rows.setdefault(name, []).append(values)
    table = {name: np.asarray(values) for name, values in rows.items()}
    return SynchronisedModel(
        starts=tuple(starts),
        **table,
        begins=_apart(list(starts.values())),
        ends=_apart(lasts),
    )


def tangent_model(
    blocks: Sequence[Block],
    texts: Sequence[Numbers],
    *,
    norms: Sequence[WeightNorms],
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
        orbit = synchronised_orbit(blocks, tokens.mean(axis=0))
        at_mean = _centre(tokens)
        stretches = []
        for layer, (block, step) in enumerate(zip(blocks, orbit, strict=True)):
            here = _centre(tokens)
            run = apply_block(block, tokens)
            images = directional(block, tokens, np.concatenate([here[None], tangents]))
            twice = directional(block, tokens, here[None], step=2 * STEP)[0]
            own = _centre(images[0])
            tangents, stretch = _orthonormal(images[1:])
            stretches.append(np.log(stretch))
            next_mean = at_mean @ transverse_factor(step, 0.0)
            coefficients = block_coefficients(block, run, norms=norms[layer])
            found = {
                "measured": _size(_centre(run.output)) / _size(here),
                "own": _size(own) / _size(here),
                "law": _size(next_mean) / _size(at_mean),
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


def directional(
    block: Block, tokens: Numbers, directions: Numbers, *, step: float = STEP
) -> Numbers:
    """Return the derivative of a block at some tokens, along several directions at once.

    Shapes: tokens (n, d), directions (k, n, d) -> (k, n, d)
    """
    sizes = np.linalg.norm(directions, axis=(-2, -1), keepdims=True)
    t = step * _size(tokens) / np.where(sizes > 0, sizes, 1.0)
    both = np.concatenate([tokens + t * directions, tokens - t * directions])
    out = apply_block(block, both).output
    plus, minus = np.split(out, 2)
    slope: Numbers = (plus - minus) / (2 * t)
    return slope


def _orthonormal(vectors: Numbers) -> tuple[Numbers, Numbers]:
    """Return an orthonormal basis of the vectors (k, n, d), and by how much QR shrank them."""
    flat = vectors.reshape(len(vectors), -1).T
    q, r = np.linalg.qr(flat)
    return q.T.reshape(vectors.shape), np.abs(np.diagonal(r))


def _apart(tokens: Sequence[Numbers]) -> Numbers:
    """Return the distances of tokens, relative to the larger norm of each pair."""
    stacked = np.stack(tokens)
    size = np.linalg.norm(stacked, axis=-1)
    distance = np.linalg.norm(stacked[:, None] - stacked[None], axis=-1)
    return np.asarray(distance / np.maximum(size[:, None], size[None]))


def _centre(tokens: Numbers) -> Numbers:
    out: Numbers = tokens - tokens.mean(axis=0)
    return out


def _size(tokens: Numbers) -> float:
    return float(np.linalg.norm(tokens))
