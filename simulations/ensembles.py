"""Which random stacks of blocks, and which tokens, are studied."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from simulations.seeds import generator
from theory.activations import activation
from theory.arrays import InputError
from theory.layers import Attention, Block, FeedForward, Placement
from theory.normalisation import Norm

Matrix: TypeAlias = Any  # a NumPy array, float64
Weights: TypeAlias = Literal["gaussian", "orthogonal", "low-rank", "identity", "bert"]
NormKind: TypeAlias = Literal["layer", "rms", "none"]
Initial: TypeAlias = Literal["gaussian", "orthogonal", "clustered", "near-consensus"]
# A token alone has no distance to others; a feed-forward width of zero leaves the sublayer out.
_LEAST = {"depth": 1, "tokens": 2, "width": 1, "heads": 1, "rank": 1, "ffn_width": 0}
_GAINS = ("score_gain", "value_gain", "ffn_gain", "bias_std", "norm_gain", "residual")


@dataclass(frozen=True)
class Stack:
    """A random stack: its shape, its ensemble of weights and the drivers of the LayerNorm std.

    Unit-gain weights keep the variance of a Gaussian token (std 1 / sqrt(fan-in)), but for
    "bert", whose std is 0.02 whatever the width; the gains multiply them.

    Parameters
    ----------
    depth
        Number of blocks.
    tokens
        Number of tokens n.
    width
        Number of features d.
    heads
        Number of attention heads; divides the width.
    ffn_width
        Hidden width of the feed-forward sublayer; 0 leaves the sublayer out.
    weights
        Ensemble of the weights.
    rank
        Rank of every matrix of the low-rank ensemble; at most the width.
    initial
        Ensemble of the tokens that enter the first block.
    tied
        All layers have the weights of the first.
    score_gain
        Multiplies the scores: an inverse temperature.
    value_gain
        Multiplies the product of value and output matrix.
    ffn_gain
        Multiplies the product of the feed-forward matrices.
    bias_std
        Standard deviation of all biases but those of query and key.
    norm_gain
        The gain of every norm.
    activation
        identity, relu, tanh, gelu, gelu_tanh or silu.
    norm
        LayerNorm, RMSNorm or none.
    placement
        Where the norms stand: after each sublayer's sum, before it, or around it.
    residual
        Multiplies the residual stream, as in DeepNorm; 0 for attention alone.
    ln_eps
        Added to the variance.
    tau
        Scales the LN std: the norm divides by tau times the std.
    fixed_std
        Divide by this constant in the place of the std.

    Raises: InputError naming the field that is out of range
    Source: shi2022, wang2022deepnet
    """

    depth: int = 12
    tokens: int = 32
    width: int = 64
    heads: int = 4
    ffn_width: int = 256
    weights: Weights = "gaussian"
    rank: int = 4
    initial: Initial = "gaussian"
    tied: bool = False
    score_gain: float = 1.0
    value_gain: float = 1.0
    ffn_gain: float = 1.0
    bias_std: float = 0.0
    norm_gain: float = 1.0
    activation: str = "gelu"
    norm: NormKind = "layer"
    placement: Placement = "post"
    residual: float = 1.0
    ln_eps: float = 0.0
    tau: float = 1.0
    fixed_std: float | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise InputError(f"{name} must be a whole number, but is {value!r}")
            if value < least:
                raise InputError(f"{name} must be at least {least}, but is {value}")
            object.__setattr__(self, name, int(value))  # a NumPy number can seed nothing
        for name in (*_GAINS, "ln_eps", "tau", "fixed_std"):
            value = getattr(self, name)
            if not isinstance(value, Real) and (name, value) != ("fixed_std", None):
                raise InputError(f"{name} must be a number, but is {value!r}")
        activation(self.activation)
        if self.width % self.heads:
            raise InputError(
                f"width must be a multiple of heads, but is {self.width} for {self.heads} heads"
            )
        choices = (("weights", Weights), ("initial", Initial))
        for name, known in (*choices, ("norm", NormKind), ("placement", Placement)):
            if getattr(self, name) not in get_args(known):
                options = ", ".join(get_args(known))
                raise InputError(f"{name} must be one of {options}, but is {getattr(self, name)!r}")
        for name in _GAINS:
            if not math.isfinite(getattr(self, name)):
                raise InputError(f"{name} must be finite, but is {getattr(self, name)}")
        if not 0 <= self.ln_eps < math.inf:
            raise InputError(f"ln_eps must be finite and not negative, but is {self.ln_eps}")
        if self.bias_std < 0:
            raise InputError(f"bias_std must not be negative, but is {self.bias_std}")
        for name in ("tau", "fixed_std"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} must be finite and positive, but is {value}")
        self._require_effects()

    def _require_effects(self) -> None:
        """Refuse a setting that another one would silence."""
        fixed = self.fixed_std is not None
        if self.norm == "none" and (fixed or self.tau != 1):
            name = "fixed_std" if fixed else "tau"
            raise InputError(
                f"{name} must be left out where norm is none, but is {getattr(self, name)}"
            )
        asked = self.weights == "low-rank" or self.rank != type(self).rank
        if asked and self.rank > self.width:
            raise InputError(f"rank must be at most the width, {self.width}, but is {self.rank}")

    def draw_key(self) -> tuple[str | int, ...]:
        """Return what defines the weights' random numbers: shapes and ensemble, no gains."""
        shape = (self.width, self.heads, self.ffn_width)
        return (self.weights, *shape, self.rank if self.weights == "low-rank" else 0)


def draw_blocks(stack: Stack, *, seeds: range) -> Iterator[Block]:
    """Yield the blocks of the stack one by one, one batch member a seed.

    Shapes: every weight has the leading axis (len(seeds),)
    Dtype:  float64, host memory
    Raises: InputError if there is no seed, or a negative one
    """
    if not seeds:
        raise InputError("seeds must hold at least one seed, but is empty")
    block: Block | None = None
    for layer in range(stack.depth):
        if block is None or not stack.tied:
            block = _batch(stack, [_draw(stack, seed, layer) for seed in seeds])
        yield block


def draw_tokens(stack: Stack, *, seeds: range) -> Matrix:
    """Return the tokens that enter the first block: float64 (len(seeds), n, d)."""
    shape = (stack.tokens, stack.width)
    drawn = []
    for seed in seeds:
        rng = generator(seed, "tokens", stack.initial, *shape)
        tokens = rng.standard_normal(shape)
        if stack.initial == "orthogonal":
            tokens = orthogonal(rng, *shape) * np.sqrt(stack.width)
        elif stack.initial == "clustered":
            centres = rng.standard_normal((2, stack.width))
            tokens = centres[rng.integers(2, size=stack.tokens)] + 0.1 * tokens
        elif stack.initial == "near-consensus":
            tokens = rng.standard_normal(stack.width) + 1e-3 * tokens
        drawn.append(tokens)
    return np.stack(drawn)


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Matrix:
    """Return a Haar-distributed matrix with orthonormal rows or columns, whichever are fewer."""
    tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
    basis, triangle = np.linalg.qr(tall)
    basis = basis * np.sign(np.diagonal(triangle))  # without the signs QR is not Haar
    return basis if rows >= columns else basis.T


def _matrix(stack: Stack, rng: np.random.Generator, rows: int, columns: int) -> Matrix:
    """Draw one matrix that keeps, at unit gain, the scale of what it multiplies."""
    if stack.weights == "orthogonal":
        return orthogonal(rng, rows, columns)
    if stack.weights == "low-rank":
        rank = min(stack.rank, rows, columns)
        left, right = rng.standard_normal((rows, rank)), rng.standard_normal((rank, columns))
        return left @ right / np.sqrt(rows * rank)
    noise = rng.standard_normal((rows, columns))
    if stack.weights == "identity":
        return np.eye(rows, columns) + 0.1 * noise / np.sqrt(rows)
    return 0.02 * noise if stack.weights == "bert" else noise / np.sqrt(rows)


def _draw(stack: Stack, seed: int, layer: int) -> dict[str, Matrix]:
    """Draw the unit-gain weights of one seed and layer."""
    rng = generator(seed, "block", *stack.draw_key(), layer)
    d, h, f = stack.width, stack.heads, stack.ffn_width
    k = d // h

    def heads_last(matrix: Matrix) -> Matrix:  # (d, h k) -> (h, d, k)
        return np.moveaxis(matrix.reshape(d, h, k), 1, 0)

    drawn = {name: heads_last(_matrix(stack, rng, d, d)) for name in ("query", "key", "value")}
    drawn["output"] = _matrix(stack, rng, d, d).reshape(h, k, d)
    drawn["bias"] = rng.standard_normal(d)
    if f:
        drawn |= {"weight_in": _matrix(stack, rng, d, f), "weight_out": _matrix(stack, rng, f, d)}
        drawn |= {"bias_in": rng.standard_normal(f), "bias_out": rng.standard_normal(d)}
    return drawn


def _batch(stack: Stack, draws: list[dict[str, Matrix]]) -> Block:
    """Stack the draws of several seeds and apply the gains."""
    w = {name: np.stack([draw[name] for draw in draws]) for name in draws[0]}
    biased = stack.bias_std != 0
    norm = Norm(
        kind=stack.norm,
        gain=None if stack.norm_gain == 1 else np.full(stack.width, stack.norm_gain),
        eps=stack.ln_eps,
        tau=stack.tau,
        fixed_std=stack.fixed_std,
    )
    attention = Attention(
        query=w["query"],
        key=w["key"],
        value=stack.value_gain * w["value"],
        output=w["output"],
        bias=stack.bias_std * w["bias"] if biased else None,
        scale=stack.score_gain * (stack.width // stack.heads) ** -0.5,
    )
    ffn = None
    if stack.ffn_width:
        ffn = FeedForward(
            weight_in=w["weight_in"],
            weight_out=stack.ffn_gain * w["weight_out"],
            bias_in=stack.bias_std * w["bias_in"] if biased else None,
            bias_out=stack.bias_std * w["bias_out"] if biased else None,
            activation=stack.activation,
        )
    return Block(
        attention,
        ffn,
        norm_1=norm,
        norm_2=norm,
        norm_1_out=norm,
        norm_2_out=norm,
        placement=stack.placement,
        residual=stack.residual,
    )
