"""What is measured on tokens and attention: how alike, how strongly coupled, how bounded?"""

from collections.abc import Collection
from typing import NamedTuple

from simulations.engine.spectra import WeightBrackets
from simulations.engine.squaring import group_bracket
from simulations.engine.step import EngineStep
from theory.arrays import Array, eps, namespace
from theory.graphs.stochastic import dobrushin_coefficient
from theory.widest import widest

PEAKS = ("gate", "hidden")


def measure_tile(tokens: Array, *, quantities: Collection[str]) -> dict[str, Array]:
    """Return what is asked of the tokens: (s, c, n, d) -> each (s, c).

    Sums of squares of tokens and of deviations that were centred twice, so that each is accurate
    relative to itself; 1 - cos as the deviations of unit rows. `theory.measures.tokens` has the
    definitions and survives any scale; here entries must have squares within the dtype's range,
    and beyond the result is not finite.
    """
    xp = namespace(tokens)
    n, d = tokens.shape[-2:]
    found: dict[str, Array] = {}
    energy = _energy(tokens)
    if "distance" in quantities:
        spread = _spread(tokens)
        found["distance"] = xp.sqrt(spread)
        found["relative_distance"] = xp.sqrt(spread / energy)
        found["norm"] = xp.sqrt(energy)
    if "diameter" in quantities:
        found["diameter"] = xp.sqrt(widest(tokens, squared=True))
    if "cosine_similarity" in quantities:
        units = tokens * (1 / xp.sqrt(xp.vecdot(tokens, tokens)))[..., None]
        found["cosine_similarity"] = 1 - _spread(units) / (n - 1)
    if "participation_rank" in quantities:
        turned = xp.matrix_transpose(tokens)
        gram = tokens @ turned if n < d else turned @ tokens
        gram *= (1 / energy)[..., None, None]
        found["participation_rank"] = 1 / _energy(gram)
    if "effective_rank" in quantities:
        found["effective_rank"] = _entropy_rank(tokens)
    return found


class AttentionSeen(NamedTuple):
    """What a layer's attention leaves for its coefficients.

    Shapes: weights, which are A (s, c, h, n, n); score (s, c), the largest absolute score; sigmas
            (s, c, number of norms); peaks (s, c, 2) of a gated sublayer, otherwise (s, c, 0)
    """

    weights: Array
    score: Array
    sigmas: Array
    peaks: Array


def attention_of(layer: EngineStep) -> AttentionSeen:
    """Return what is to be kept of a tile until the layer is done."""
    xp = namespace(layer.score)
    empty = xp.empty_like(layer.score[..., None][..., :0])
    sigmas, peaks = (
        xp.stack(each, axis=-1) if each else empty for each in (layer.sigmas, layer.peaks)
    )
    return AttentionSeen(layer.adjacency, layer.score, sigmas, peaks)


def attention_coefficients(
    seen: AttentionSeen, norms: WeightBrackets, *, tolerance: float, diameter: bool = False
) -> dict[str, Array]:
    """Return lambda's bracket, the sum over the heads that v_sharp wants, and the sigmas: (s, c).

    With ``diameter`` also the sum that v_diameter wants, of Dobrushin's coefficients, each to
    (n + 2) eps of itself and taken at the upper end. n^3 / 2 steps a head: more than all else.

    ``lambda_noise`` tells where the rounding of the attention weights themselves may move lambda
    by more than the tolerance: sqrt(lambda) is at least |C|_F / sqrt(n), so that nothing more
    than the bracket is needed to see it.
    """
    xp, weights = namespace(seen.weights), seen.weights
    unit = eps(weights)
    size = xp.sqrt(_energy(weights))
    root = group_bracket(weights, tolerance=tolerance, deviations=True)
    # A score errs by a few eps of itself, and its exponential relative by as much.
    values = norms.value.upper[:, None, :]
    mixing = {}
    if diameter:
        tau = dobrushin_coefficient(weights) * (1 + (weights.shape[-1] + 4) * unit)
        mixing["mixing"] = xp.sum(tau * values, axis=-1)
    noise = 2 * unit * (1 + seen.score) * xp.max(size, axis=-1)
    largest = xp.max(root.upper, axis=-1)
    return {
        "lambda_lower": xp.max(root.lower, axis=-1) ** 2,
        "lambda_upper": largest**2,
        "lambda_tier": xp.max(root.tier, axis=-1),
        "lambda_noise": noise > tolerance / 2 * largest,
        "sharp": xp.sum(root.upper * values, axis=-1),
        **mixing,
        **{f"sigma_{i}": seen.sigmas[..., i] for i in range(seen.sigmas.shape[-1])},
        **{f"{PEAKS[i]}_peak": seen.peaks[..., i] for i in range(seen.peaks.shape[-1])},
    }


def _column_means(x: Array) -> Array:
    """Return the means over the axis before the last, kept, as a product: faster than a mean."""
    xp, n = namespace(x), x.shape[-2]
    column = xp.full_like(x[(0,) * (x.ndim - 2)][:, :1], 1 / n)
    return xp.matrix_transpose(column) @ x


def _energy(x: Array) -> Array:
    """Return the sum of squares over the last two axes."""
    flat = namespace(x).reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))
    return namespace(x).vecdot(flat, flat)


def _spread(x: Array) -> Array:
    """Return the sum of squares of the rows minus their mean, accurate relative to itself.

    What the rounded mean misses is the same in all rows, so it adds n times its square.
    """
    xp = namespace(x)
    x = x - _column_means(x)
    missed = _column_means(x)[..., 0, :]
    return _energy(x) - x.shape[-2] * xp.vecdot(missed, missed)


def _gram(x: Array) -> Array:
    return x @ namespace(x).matrix_transpose(x)


def _entropy_rank(tokens: Array) -> Array:
    """Return exp(entropy of the singular values) from the eigenvalues of a float64 Gram matrix.

    Singular values below 1e-8 of the largest come out as rounding: of n of them, the entropy is
    wrong by 2e-7 n at most.
    """
    xp = namespace(tokens)
    wide = xp.astype(tokens, xp.float64)
    n, d = wide.shape[-2:]
    gram = _gram(wide if n <= d else xp.matrix_transpose(wide))
    good = xp.all(xp.isfinite(gram), axis=(-2, -1), keepdims=True)
    values = xp.sqrt(xp.clip(xp.linalg.eigvalsh(xp.where(good, gram, 1.0)), min=0))
    share = values / xp.sum(values, axis=-1, keepdims=True)
    logs = xp.log(xp.where(share > 0, share, 1.0))
    rank = xp.exp(-xp.sum(share * logs, axis=-1))
    return xp.astype(xp.where(good[..., 0, 0], rank, xp.nan), tokens.dtype)
