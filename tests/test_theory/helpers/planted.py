"""Statements that are false in ways a slip of the pen would make; a search must refute them all.

Each is a true theorem with one thing wrong. None is expected to be refuted, so that a report on
it is "ok" exactly if the search missed the mistake.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from theory.arrays import Array, namespace
from theory.blocks.activations import ACTIVATIONS
from theory.blocks.norms import norm_std
from theory.bounds.coefficients import norm_stretch
from theory.graphs.stochastic import dobrushin_coefficient
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.spectra.norms import coupling, singular_values
from theory.statements.domains import Chosen, Domain, Params
from theory.statements.sizes import Choice
from theory.statements.theorem import Theorem
from theory.theorems.block.diameters import TwoBlocks
from theory.theorems.block.gated import GatedTokens
from theory.theorems.block.input import BLOCK_DOMAIN, BlockInput
from theory.theorems.block.norms import Normalised
from theory.theorems.block.shi2022_lemmas import Averaging, LinearMap, WeightedSum
from theory.theorems.block.tau_temperature import TwoRuns
from theory.theorems.catalogue import CATALOGUE


def sqrt_lambda(at: Averaging) -> Array:
    return coupling(at.adjacency[..., None, :, :])[..., 0]


def plant(key: str, source: str, **changes: Any) -> Theorem[Any]:
    return replace(CATALOGUE[source], key=key, tight=False, outside=None, **changes)


def _unnormalised(sizes: Chosen, params: Params) -> Averaging:
    return Averaging(params["tokens"], params["weights"] ** 2)


def _gated(sizes: Chosen, params: Params) -> WeightedSum:
    gate = params["tokens"][..., 0]
    return WeightedSum(params["tokens"], params["other"], gate, 1 - gate)


def _with_largest_std(sizes: Chosen, params: Params) -> Normalised:
    right: Normalised = CATALOGUE["layer-norm"].domain.make(sizes, params)
    std = norm_std(right.norm, right.tokens)
    return replace(right, sigma=namespace(std).max(std, axis=-1))


def _made_by(key: str, make: Callable[[Chosen, Params], Any]) -> Domain[Any]:
    return replace(CATALOGUE[key].domain, make=make)


def _average_singular_value(at: LinearMap) -> Array:
    values = singular_values(at.weight)
    return namespace(values).mean(values, axis=-1) * consensus_distance(at.tokens)


def _as_if_orthogonal(at: WeightedSum) -> Array:
    xp = namespace(at.tokens)
    first = at.weights[..., 0] * consensus_distance(at.tokens)
    return xp.hypot(first, at.other_weights[..., 0] * consensus_distance(at.other))


def post_norm_v(
    at: BlockInput,
    *,
    root: Callable[[Array], Array] = lambda lambda_: lambda_**0.5,
    heads: bool = True,
    residuals: tuple[float, float] = (1.0, 1.0),
    std: str = "min",
    power: int = 1,
    gain: bool = True,
    tau: bool = True,
    s_power: int = 2,
) -> Array:
    """Return v of a post-LN block by its formula, or with one thing wrong in it."""
    xp, block, step, found = namespace(at.tokens), at.block, at.step, at.coefficients
    assert block.feed_forward is not None
    h = step.adjacency.shape[-3] if heads else 1
    c = ACTIVATIONS[block.feed_forward.activation].lipschitz
    r = abs(block.residual)
    v = residuals[0] * r + root(found.lambda_) * h * found.s
    v = v * (residuals[1] * r + c * found.s**s_power)
    for norm, stds in ((block.norm_1, step.std_1), (block.norm_2, step.std_2)):
        assert stds is not None
        sigma = getattr(xp, std)(stds, axis=-1) ** power
        plain = norm if gain else replace(norm, gain=None)
        v = v * norm_stretch(replace(plain, tau=norm.tau if tau else 1.0), sigma[..., None], like=v)
    return v


POST_NORM = replace(
    BLOCK_DOMAIN,
    sizes={
        **BLOCK_DOMAIN.sizes,
        "placement": Choice(("post",)),
        "kind": Choice(("layer",)),
        "ffn": Choice((True,)),
    },
)


# Some mistakes show only where everything is aligned: there a bias turns opposite tokens, a gain
# may be zero, softmax need not mix, and all activations but the identity halve what is negative.
ALIGNED = {
    "activation": Choice(("identity",)),
    "biased": Choice((False,)),
    "gained": Choice((False,)),
    "listening": Choice(("as given",)),
}
PLAIN = replace(POST_NORM, sizes={**POST_NORM.sizes, **ALIGNED})


def _block(key: str, *, domain: Domain[BlockInput] = POST_NORM, **wrong: Any) -> Theorem[Any]:
    def rhs(at: BlockInput) -> Array:
        return post_norm_v(at, **wrong) * consensus_distance(at.tokens)

    return plant(key, "block-v", domain=domain, rhs=rhs)


def _singular_value(at: LinearMap, which: int) -> Array:
    return singular_values(at.weight)[..., which] * consensus_distance(at.tokens)


def _frobenius_over_rank(at: LinearMap) -> Array:
    """The spectral norm is at least this, with equality for an orthogonal matrix."""
    norm = frobenius_norm(at.weight) / min(at.weight.shape[-2:]) ** 0.5
    return norm * consensus_distance(at.tokens)


def _with_smallest_gain(at: Normalised) -> Array:
    xp, gain = namespace(at.tokens), at.norm.gain
    assert gain is not None
    plain = norm_stretch(replace(at.norm, gain=None), at.sigma[..., None], like=at.tokens)
    return xp.min(xp.abs(gain), axis=-1) * plain * consensus_distance(at.tokens)


def _other_without_temperature(at: TwoRuns, power: int = 0) -> Array:
    tau, run = at.run.block.norm_2.tau, at.run
    block = replace(
        run.block,
        norm_1=replace(run.block.norm_1, tau=1.0),
        norm_2=replace(run.block.norm_2, tau=1.0),
    )
    attention = block.attention
    attention = replace(attention, scale=attention.score_scale / tau**power)
    block = replace(block, attention=attention)
    plain = replace(run, block=block, tokens=tau * run.tokens)
    return frobenius_norm(tau * run.step.output - plain.step.output)


def _without(at: GatedTokens, which: str) -> Array:
    """The bound of a gated sublayer with one of its two terms left out."""
    less = replace(at, **{which: 0 * getattr(at, which)})
    bound: Array = CATALOGUE["gated-feed-forward"].rhs(less)
    return bound


def _parallel_without_the_stream(at: BlockInput) -> Array:
    right: Array = CATALOGUE["block-v-parallel"].rhs(at)
    return right - abs(at.block.residual_scale("1")) * consensus_distance(at.tokens)


def _half_of_both_sublayers(at: BlockInput) -> Array:
    """Their mean, where a parallel block adds them up."""
    right: Array = CATALOGUE["block-v-parallel"].rhs(at)
    return (right + abs(at.block.residual_scale("1")) * consensus_distance(at.tokens)) / 2


def _without_constants(at: TwoBlocks) -> Array:
    """The product of v_diameter, as if it were about d_M."""
    found = consensus_distance(at.tokens)
    for each in at.inputs:
        found = found * each.coefficients.v_diameter
    return found


def _least_gain(at: BlockInput) -> Array:
    xp, right = namespace(at.tokens), CATALOGUE["block-saturation"].rhs(at)
    norm = at.block.norm_1 if at.block.feed_forward is None else at.block.norm_2
    if norm.gain is None:
        return right
    gain = xp.abs(norm.gain)
    most = xp.max(gain, axis=-1)
    return right * xp.min(gain, axis=-1) / xp.where(most > 0, most, 1.0)


PLANTED: tuple[Theorem[Any], ...] = (
    plant(
        "v diameter, as if it were about d_M",
        "block-v-diameter",
        lhs=lambda at: consensus_distance(at.step.output),
        rhs=lambda at: at.coefficients.v_diameter * consensus_distance(at.tokens),
    ),
    plant(
        "v diameter, a constant 1 % too small",
        "block-v-diameter",
        rhs=lambda at: 0.99 * CATALOGUE["block-v-diameter"].rhs(at),
    ),
    plant("a stack without constants", "stack-envelope-diameter", rhs=_without_constants),
    plant("saturation, the smallest gain", "block-saturation", rhs=_least_gain),
    plant(
        "saturation of the centred tokens, n - 1 for n",
        "block-saturation",
        rhs=lambda at: CATALOGUE["block-saturation"].rhs(at) * (1 - 1 / at.tokens.shape[-2]) ** 0.5,
    ),
    plant("linear, average singular value", "linear", rhs=_average_singular_value),
    plant(
        "linear, a constant 2 % too small",
        "linear",
        rhs=lambda at: 0.98 * CATALOGUE["linear"].rhs(at),
    ),
    plant("linear, the smallest singular value", "linear", rhs=lambda at: _singular_value(at, -1)),
    plant("linear, Frobenius over the root of the rank", "linear", rhs=_frobenius_over_rank),
    plant("a sum as if orthogonal", "weighted-sum", rhs=_as_if_orthogonal),
    plant(
        "a gate instead of a sum",
        "weighted-sum",
        domain=_made_by("weighted-sum", _gated),
        hypotheses=(),
    ),
    plant(
        "attention, lambda without its root",
        "attention",
        rhs=lambda at: sqrt_lambda(at) ** 2 * consensus_distance(at.tokens),
    ),
    plant(
        "attention never expands",
        "attention",
        rhs=lambda at: consensus_distance(at.tokens),
    ),
    plant(
        "attention, rows that do not sum to one",
        "attention",
        domain=_made_by("attention", _unnormalised),
        hypotheses=(),
    ),
    plant(
        "layer-norm, the largest std for sigma",
        "layer-norm",
        domain=_made_by("layer-norm", _with_largest_std),
        hypotheses=(),
    ),
    plant(
        "layer-norm, a constant 0.1 % too small",
        "layer-norm",
        rhs=lambda at: 0.999 * CATALOGUE["layer-norm"].rhs(at),
    ),
    plant("layer-norm, the smallest gain", "layer-norm", rhs=_with_smallest_gain),
    plant(
        "layer-norm, tau once too often",
        "layer-norm",
        rhs=lambda at: CATALOGUE["layer-norm"].rhs(at) / at.norm.tau,
    ),
    plant(
        "attention, Dobrushin's coefficient in the wrong norm",
        "attention",
        domain=replace(
            CATALOGUE["attention"].domain,
            sizes={**CATALOGUE["attention"].domain.sizes, "signed": Choice((False,))},
        ),
        rhs=lambda at: dobrushin_coefficient(at.adjacency) * consensus_distance(at.tokens),
    ),
    _block("block, lambda without its root", root=lambda lambda_: lambda_, domain=PLAIN),
    _block("block, sigma_1 sigma_2 squared", power=2),
    _block("block, the largest std for sigma", std="max", domain=PLAIN),
    _block("block, no residual around attention", residuals=(0.0, 1.0)),
    _block("block, no residual around the feed-forward", residuals=(1.0, 0.0)),
    _block("block, gains forgotten", gain=False),
    _block("block, tau forgotten", tau=False),
    _block("block, one head for all", heads=False, domain=PLAIN),
    _block("block, s for s squared", s_power=1, domain=PLAIN),
    plant(
        "gate, as if it were the same for all tokens",
        "gated-feed-forward",
        rhs=lambda at: _without(at, "hidden_peak"),
    ),
    plant(
        "gate, as if nothing but the gate moved",
        "gated-feed-forward",
        rhs=lambda at: _without(at, "gate_peak"),
    ),
    plant("parallel, no residual", "block-v-parallel", rhs=_parallel_without_the_stream),
    plant("parallel, the mean of both sublayers", "block-v-parallel", rhs=_half_of_both_sublayers),
    plant("v is never below one", "block-v-lower-bound", lhs=lambda at: 1 + 0 * at.coefficients.v),
    plant(
        "tau is a temperature, off by one exponent",
        "tau-is-a-temperature",
        lhs=lambda at: _other_without_temperature(at, power=1),
    ),
    plant("tau changes nothing at all", "tau-is-a-temperature", lhs=_other_without_temperature),
)
