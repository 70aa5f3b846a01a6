"""Which random stacks are studied: what shapes, which ensembles, which scales?"""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, TypeAlias, get_args

from simulations.machine.words import told
from theory.arrays import InputError
from theory.blocks.activations import activation
from theory.blocks.weights import Placement

WeightEnsemble: TypeAlias = Literal["gaussian", "orthogonal", "low-rank", "identity", "bert"]
NormKind: TypeAlias = Literal["layer", "rms", "none"]
Initial: TypeAlias = Literal["gaussian", "orthogonal", "clustered", "near-consensus"]
# A token alone has no distance to others; a feed-forward width of zero leaves the sublayer out.
_LEAST = {"depth": 1, "tokens": 2, "width": 1, "heads": 1, "rank": 1, "ffn_width": 0}
MOST_LAYERS = 1_000_000  # more would not end: that many take a quarter of an hour at least
_OPTIONAL = ("fixed_std", "residual_attention", "residual_ffn")
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
        identity, relu, tanh, gelu, gelu_tanh, silu or quick_gelu.
    norm
        LayerNorm, RMSNorm or none.
    placement
        Where the norms stand: after each sublayer's sum, before it, or around it; or parallel,
        where both sublayers read one stream.
    residual
        Multiplies the residual stream, as in DeepNorm; 0 for attention alone.
    ln_eps
        Added to the variance.
    tau
        Scales the LN std: the norm divides by tau times the std.
    fixed_std
        Divide by this constant in the place of the std.
    gated
        The feed-forward sublayer has a gate: phi(x W_gate) times x W_in goes into its output.
    residual_attention
        Takes the place of residual in the sum after attention.
    residual_ffn
        Takes its place in the sum after the feed-forward sublayer.

    Raises: InputError naming the field that is out of range
    Source: shi2022, wang2022deepnet
    """

    depth: int = 12
    tokens: int = 32
    width: int = 64
    heads: int = 4
    ffn_width: int = 256
    weights: WeightEnsemble = "gaussian"
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
    gated: bool = False
    residual_attention: float | None = None
    residual_ffn: float | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise InputError(f"{name} must be a whole number, but is {value!r}")
            if value < least:
                raise InputError(f"{name} must be at least {least}, but is {value}")
            object.__setattr__(self, name, int(value))  # a NumPy number can seed nothing
        if self.depth > MOST_LAYERS:
            raise InputError(f"depth must be at most {MOST_LAYERS:,}, but is {told(self.depth)}")
        for name in (*_GAINS, "ln_eps", "tau", *_OPTIONAL):
            value = getattr(self, name)
            if not isinstance(value, Real) and not (name in _OPTIONAL and value is None):
                raise InputError(f"{name} must be a number, but is {value!r}")
        if not isinstance(self.gated, bool):
            raise InputError(f"gated must be true or false, but is {self.gated!r}")
        activation(self.activation)
        if self.width % self.heads:
            raise InputError(
                f"width must be a multiple of heads, but is {self.width} for {self.heads} heads"
            )
        choices = (("weights", WeightEnsemble), ("initial", Initial))
        for name, known in (*choices, ("norm", NormKind), ("placement", Placement)):
            if getattr(self, name) not in get_args(known):
                options = ", ".join(get_args(known))
                raise InputError(f"{name} must be one of {options}, but is {getattr(self, name)!r}")
        for name in (*_GAINS, "residual_attention", "residual_ffn"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"{name} must be finite, but is {value}")
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
        if self.gated and not self.ffn_width:
            raise InputError("gated must be left out where ffn_width is 0, but is True")
        if self.placement == "parallel" and self.residual_ffn is not None:
            raise InputError(
                f"residual_ffn must be left out where placement is parallel, but is "
                f"{self.residual_ffn}: there is one sum"
            )
        sums = "1" if self.placement == "parallel" or not self.ffn_width else "12"
        own = {"1": self.residual_attention, "2": self.residual_ffn}
        if self.residual != 1 and all(own[number] is not None for number in sums):
            raise InputError(
                f"residual must be left out where every sum has its own, but is {self.residual}"
            )
        asked = self.weights == "low-rank" or self.rank != type(self).rank
        if asked and self.rank > self.width:
            raise InputError(f"rank must be at most the width, {self.width}, but is {self.rank}")

    def residual_scale(self, number: str) -> float:
        """Return what multiplies the stream in the sum after sublayer "1" or "2"."""
        own = self.residual_attention if number == "1" else self.residual_ffn
        return self.residual if own is None else own

    def draw_key(self) -> tuple[str | int, ...]:
        """Return what defines the weights' random numbers: shapes and ensemble, no gains.

        Nor whether there is a gate: it is drawn last, so that all else is as without.
        """
        shape = (self.width, self.heads, self.ffn_width)
        return (self.weights, *shape, self.rank if self.weights == "low-rank" else 0)
