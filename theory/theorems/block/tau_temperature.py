"""What does the LN std scale tau do in a bias-free, homogeneous post-LN block? (derived here)"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from theory.arrays import Array, InputError, eps, namespace
from theory.blocks.norms import Norm, norm_std
from theory.blocks.weights import Attention, FeedForward
from theory.bounds.gates import gate_peaks
from theory.bounds.rounding import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    exactly,
    weight_errors,
)
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import Choice, Exponent
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.input import STDS, WEIGHT_SIZES, WEIGHTS, BlockInput
from theory.theorems.block.post_norm import RMS, equal_tokens, plain_post_norm, post_norm_block
from theory.theorems.common import flag


@brief_repr
@dataclass(frozen=True, eq=False)
class TwoRuns:
    """A post-LN block with any tau, on tokens (*b, n, d), and the same run without tau.

    The second has tau = 1 in both norms and its scores multiplied by 1 / tau_2^2, and starts
    from tau_2 H.
    """

    AXES: ClassVar[dict[str, str]] = {}

    run: BlockInput

    @property
    def tokens(self) -> Array:
        """The tokens of the first run."""
        return self.run.tokens

    @cached_property
    def other(self) -> BlockInput:
        """The run without tau."""
        block, tau = self.run.block, self.run.block.norm_2.tau
        attention = block.attention
        if attention.query is not None:  # an array by numbers: 1 / tau^2 alone might be rounded
            attention = replace(attention, query=attention.query / tau / tau)
        block = replace(
            block,
            attention=attention,
            norm_1=replace(block.norm_1, tau=1.0),
            norm_2=replace(block.norm_2, tau=1.0),
        )
        return replace(self.run, block=block, tokens=tau * self.run.tokens)


def _difference(at: TwoRuns) -> Array:
    tau = at.run.block.norm_2.tau
    return frobenius_norm(tau * at.run.step.output - at.other.step.output)


def _two_runs_rounding(at: TwoRuns) -> Array:
    """The rounding of two runs, of which the first is multiplied by tau_2.

    Scores lose (2 d + k + 8) eps of |q| |k| in each run, the weights twice that, relative, and
    no two rows of weights are further apart than sqrt 2. From then on as in the block theorem,
    with the smaller std of the two runs.
    """
    return at.run.block.norm_2.tau * _one_run_rounding(at.run, at) + _one_run_rounding(at.other, at)


def _one_run_rounding(run: BlockInput, at: TwoRuns) -> Array:
    xp, block, shape = namespace(run.tokens), run.block, tuple(run.tokens.shape)
    if block.feed_forward is None:
        raise InputError("tau is compared in a block with a feed-forward sublayer")
    n, d = shape[-2:]
    unit, attention = eps(run.tokens), block.attention
    weights = weight_errors(attention, block.feed_forward)
    stream = exactly(run.tokens)
    stream = Running(2 * unit * stream.size, stream.size)
    change = after_attention(attention, run.step.adjacency, stream, weights)
    if run.adjacency is None and attention.query is not None:
        length = xp.max(norm_std(RMS, run.tokens), axis=-1) * d**0.5
        scores = attention.score_scale * length[..., None] ** 2
        scores = scores * frobenius_norm(attention.query) * frobenius_norm(attention.key)
        steps = 2 * d + attention.query.shape[-1] + 8
        relative = xp.expm1(xp.clip(4 * steps * unit * scores, max=1.0)) + (n + 4) * unit
        weight_error = xp.clip(relative * n**0.5, max=(2 * n) ** 0.5)  # (*b, h)
        value = frobenius_norm(attention.value)
        if attention.output is not None:
            value = value * frobenius_norm(attention.output)
        moved = xp.sum(weight_error * value, axis=-1) * stream.size
        change = Running(change.error + moved, change.size)
    stream = after_sum(stream, change, factor=block.residual_scale("1"), like=run.tokens)
    stream = after_norm(block.norm_1, _smaller(run, at, "std_1"), stream, shape=shape)
    peaks = gate_peaks(run.step) if block.feed_forward.gated else None
    change = after_feed_forward(block.feed_forward, stream, weights, tokens=n, peaks=peaks)
    stream = after_sum(stream, change, factor=block.residual_scale("2"), like=run.tokens)
    return after_norm(block.norm_2, _smaller(run, at, "std_2"), stream, shape=shape).error


def _smaller(run: BlockInput, at: TwoRuns, name: str) -> Array:
    """Return the smaller std of the two runs, on the scale of this one."""
    xp = namespace(run.tokens)
    norm = at.run.block.norm_2 if name == "std_1" else at.run.block.norm_1
    first, second = norm.tau * getattr(at.run.step, name), getattr(at.other.step, name)
    both = xp.minimum(first, second)
    return both / norm.tau if run is at.run else both


def _not_homogeneous(at: TwoRuns) -> Array:
    """Positive unless the feed-forward sublayer exists and scales with its input.

    Positions would do no harm, but their rounding is not counted.
    """
    ffn, attention = at.run.block.feed_forward, at.run.block.attention
    biases = (attention.query_bias, attention.key_bias)
    scales = ffn is not None and ffn.activation in ("relu", "identity") and attention.plain
    broken = not scales or any(bias is not None for bias in biases)
    return flag(broken, like=at.tokens[..., 0, 0])


def _build_tau(sizes: Chosen, params: Params) -> TwoRuns:
    taus = [10.0 ** (sizes[f"tau_{i}"] / 6) for i in (1, 2)]
    norms = tuple(
        Norm(gain=params[f"gain_{i}"], tau=tau) for i, tau in zip((1, 2), taus, strict=True)
    )
    return TwoRuns(post_norm_block(sizes, params, params["tokens"], (norms[0], norms[1])))


def _with_activation(name: str) -> TwoRuns:
    run = equal_tokens(scale=1.0)
    tokens = np.asarray([[1.0, -2.0, 0.5], [0.5, 1.0, 3.0]])
    unit, one = np.eye(3), np.eye(3)[None]
    norm = Norm(tau=3.0)
    block = replace(run.block, norm_1=norm, norm_2=norm, attention=Attention(one, one, one))
    block = replace(block, feed_forward=FeedForward(unit, unit, activation=name))
    return TwoRuns(BlockInput(block, tokens))


TAU_IS_A_TEMPERATURE = Theorem[TwoRuns](
    key="tau-is-a-temperature",
    claim=r"\tau_2 B_{\tau_1, \tau_2}(H) = B_{1, 1}(\tau_2 H; \text{ scores} / \tau_2^2)",
    source="derived",
    domain=Domain(
        sizes={
            **{name: ends for name, ends in WEIGHT_SIZES.items() if name != "activation"},
            "phi": Choice(("relu", "identity")),
            "tau_1": Exponent(-6, 6),
            "tau_2": Exponent(-6, 6),
            "residual": Exponent(-3, 3),
        },
        free={
            **WEIGHTS,
            **{f"gain_{i}": Free("vector", ("features",), typical="ones") for i in (1, 2)},
        },
        make=_build_tau,
    ),
    hypotheses=(
        Hypothesis(
            "post-LN with true LayerNorm, eps = 0, no bias", lambda at: plain_post_norm(at.run)
        ),
        Hypothesis("phi(a x) = a phi(x) for a > 0; no bias in queries or keys", _not_homogeneous),
        Hypothesis(STDS.name, lambda at: STDS.violation(at.run)),
    ),
    lhs=_difference,
    rhs=lambda at: 0 * _difference(at),
    rounding=_two_runs_rounding,
    scale=lambda at: frobenius_norm(at.other.step.output),
    tight=True,
    witness=lambda: _with_activation("relu"),
    outside=lambda: _with_activation("gelu"),
    note="An equality: the Frobenius norm of the difference is at most rounding. All of a "
    "bias-free homogeneous block scales with its input, so in a stack the LN std scale tau is a "
    "score temperature 1 / tau^2 and nothing else.",
)
