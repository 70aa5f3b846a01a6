"""What would a researcher write to survey random stacks: one seed, one cell after the other?

The baseline of the benchmark: plain NumPy and LAPACK, each step in the form that the formulas
have, nothing slowed down on purpose. Hidden states and attention weights are kept and measured
afterwards, heads are one array, and singular values come without the vectors.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Setting:
    """The shape of a post-LN stack with ReLU, and the gains of one cell."""

    depth: int
    tokens: int
    width: int
    heads: int
    ffn_width: int
    value_gain: float = 1.0
    ffn_gain: float = 1.0


def survey(cells: list[Setting], seeds: range, dtype: Any, *, rank: bool) -> list[dict[str, Any]]:
    """Draw, run and measure every cell on every seed."""
    found = []
    for cell in cells:
        for seed in seeds:
            rng = np.random.default_rng(seed)
            layers = [draw(cell, rng, dtype) for _ in range(cell.depth)]
            tokens = rng.standard_normal((cell.tokens, cell.width)).astype(dtype)
            found.append(measure(cell, layers, *forward(cell, layers, tokens), rank=rank))
    return found


def survey_sharing(
    cells: list[Setting], seeds: range, dtype: Any, *, rank: bool
) -> list[dict[str, Any]]:
    """Do the same with the draws of a seed made once for all cells."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        layers = [draw(cells[0], rng, dtype) for _ in range(cells[0].depth)]
        tokens = rng.standard_normal((cells[0].tokens, cells[0].width)).astype(dtype)
        for cell in cells:
            found.append(measure(cell, layers, *forward(cell, layers, tokens), rank=rank))  # noqa: PERF401
    return found


def draw(cell: Setting, rng: np.random.Generator, dtype: Any) -> dict[str, Array]:
    """Draw the weights of one layer."""
    d, f = cell.width, cell.ffn_width
    shapes = {"q": (d, d), "k": (d, d), "v": (d, d), "o": (d, d), "in": (d, f), "out": (f, d)}
    return {
        name: rng.standard_normal(shape, dtype=dtype) / dtype(np.sqrt(shape[0]))
        for name, shape in shapes.items()
    }


def forward(
    cell: Setting, layers: list[dict[str, Array]], tokens: Array
) -> tuple[list[Array], list[Array], list[tuple[Array, Array]]]:
    """Return the hidden states, the attention weights and the std values of every layer."""
    states, attentions, stds = [tokens], [], []
    for weights in layers:
        tokens, attention, std = block(cell, weights, tokens)
        states.append(tokens)
        attentions.append(attention)
        stds.append(std)
    return states, attentions, stds


def block(cell: Setting, w: dict[str, Array], x: Array) -> tuple[Array, Array, tuple[Array, Array]]:
    """Send tokens (n, d) through one block."""
    n, d = x.shape
    k = d // cell.heads

    def heads(y: Array) -> Array:
        return y.reshape(n, cell.heads, k).transpose(1, 0, 2)

    scores = heads(x @ w["q"]) @ heads(x @ w["k"]).transpose(0, 2, 1) / x.dtype.type(np.sqrt(k))
    attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attention = attention / attention.sum(axis=-1, keepdims=True)
    mixed = (attention @ heads(x @ w["v"])).transpose(1, 0, 2).reshape(n, d)
    y, std_1 = layer_norm(x + x.dtype.type(cell.value_gain) * (mixed @ w["o"]))
    hidden = np.maximum(y @ w["in"], 0)
    out, std_2 = layer_norm(y + x.dtype.type(cell.ffn_gain) * (hidden @ w["out"]))
    return out, attention, (std_1, std_2)


def layer_norm(x: Array) -> tuple[Array, Array]:
    """Return normalised tokens and their std."""
    std = x.std(axis=-1, keepdims=True)
    return (x - x.mean(axis=-1, keepdims=True)) / std, std


def measure(
    cell: Setting,
    layers: list[dict[str, Array]],
    states: list[Array],
    attentions: list[Array],
    stds: list[tuple[Array, Array]],
    *,
    rank: bool,
) -> dict[str, Any]:
    """Return every measure at every layer; the participation rank if it is wanted."""
    found: dict[str, Any] = {
        "cosine_similarity": [cosine_similarity(x) for x in states],
        "distance": [distance(x) for x in states],
        "relative_distance": [distance(x) / np.linalg.norm(x) for x in states],
    }
    if rank:
        found["participation_rank"] = [participation_rank(x) for x in states]
    found["measured_ratio"] = np.divide(found["distance"][1:], found["distance"][:-1])
    found["lambda"] = [coupling(a) for a in attentions]
    found["s"] = [largest_singular_value(cell, w) for w in layers]
    found["sigma_1"] = [std_1.min() for std_1, _ in stds]
    found["sigma_2"] = [std_2.min() for _, std_2 in stds]
    found["v"] = [
        (1 + s**2) * (1 + np.sqrt(lam) * cell.heads * s) / (sigma_1 * sigma_2)
        for lam, s, sigma_1, sigma_2 in zip(
            *(found[name] for name in ("lambda", "s", "sigma_1", "sigma_2")), strict=True
        )
    ]
    return found


def cosine_similarity(x: Array) -> Any:
    """Return the mean cosine over pairs of different tokens."""
    units = x / np.linalg.norm(x, axis=-1, keepdims=True)
    n = len(x)
    return ((units @ units.T).sum() - n) / (n * (n - 1))


def distance(x: Array) -> Any:
    """Return the distance to consensus."""
    return np.linalg.norm(x - x.mean(axis=0))


def participation_rank(x: Array) -> Any:
    """Return (sum of sigma^2)^2 / sum of sigma^4."""
    energy = np.linalg.svd(x, compute_uv=False) ** 2
    return energy.sum() ** 2 / (energy**2).sum()


def coupling(attention: Array) -> Any:
    """Return lambda: the largest eigenvalue of A^T (I - e e^T) A over the heads."""
    centred = attention - attention.mean(axis=-2, keepdims=True)
    return np.linalg.svd(centred, compute_uv=False).max() ** 2


def largest_singular_value(cell: Setting, w: dict[str, Array]) -> Any:
    """Return s, the largest singular value of all the weights of a block."""
    d, k = cell.width, cell.width // cell.heads
    values = w["v"].reshape(d, cell.heads, k).transpose(1, 0, 2)
    products = cell.value_gain * (values @ w["o"].reshape(cell.heads, k, d))
    return max(
        np.linalg.svd(products, compute_uv=False).max(),
        np.linalg.svd(w["in"], compute_uv=False).max(),
        np.linalg.svd(cell.ffn_gain * w["out"], compute_uv=False).max(),
    )
