"""How fast does attention remove what differs between tokens? (wang2022antioversmoothing)"""

from collections.abc import Iterator, Sequence

import numpy as np

from theory.arrays import Array, constant, eps, namespace, tiny
from theory.blocks.forward import softmax
from theory.bounds.rounding import distance_rounding
from theory.measures.subspace import consensus_distance
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.real_layer import RealLayer
from theory.statements.sizes import Exponent, Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.attention.steps import (
    IS_ATTENTION,
    Steps,
    after_steps,
    power,
    steps_rounding,
    steps_through,
)
from theory.theorems.block.shi2022_lemmas import scaled
from theory.theorems.common import bounded_scores

STEP_SCALES = Exponent(-1070, 900)


def _scores_beyond(at: Steps) -> Array:
    """Scores between -a and a: no weight is exp(2 a) times another of its row.

    The two logs are off by eps of themselves, and softmax by (n + 2 a + 4) eps before.
    """
    return _beyond(at) - 2 * at.bound - _forgiven(at)


def _forgiven(at: Steps) -> Array:
    n = at.adjacency.shape[-1]
    return (2 * n + 16 * namespace(at.bound).abs(at.bound) + 16) * eps(at.bound)


def _beyond(at: Steps) -> Array:
    """Return the largest difference of two scores of a row, infinite where a weight is zero."""
    xp = namespace(at.adjacency)
    logs = xp.log(xp.clip(at.adjacency, min=tiny(at.adjacency)))
    wide = xp.max(xp.max(logs, axis=-1) - xp.min(logs, axis=-1), axis=(-2, -1))
    infinite = constant(np.inf, like=at.adjacency)
    return xp.where(xp.any(at.adjacency <= 0, axis=(-3, -2, -1)), infinite, wide)


BOUNDED = Hypothesis("the weights are a softmax of scores between -a and a", _scores_beyond)


def towards_worst(tokens: Array, weights: Array, rounds: int) -> Array:
    """Turn the tokens towards those that a step stretches most: powers of A^T (I - e e^T) A."""
    xp = namespace(tokens)
    for _ in range(rounds):
        heard = weights @ tokens
        heard = heard - xp.mean(heard, axis=-2, keepdims=True)
        tokens = xp.matrix_transpose(weights) @ heard
    return tokens


def _build(sizes: Chosen, params: Params) -> Steps:
    xp = namespace(params["scores"])
    scores = bounded_scores(params["scores"], 2.0 ** sizes["size"])
    wide = xp.max(scores, axis=-1) - xp.min(scores, axis=-1)
    bound = xp.max(wide, axis=(-2, -1)) / 2 * (1 + params["slack"] ** 2 / 100)
    weights = softmax(scores)
    tokens = towards_worst(params["tokens"], weights[..., 0, :, :], sizes["worst"])
    return Steps(scaled(tokens, sizes), weights, bound)


_ONE_STEP, _TOKENS = Length(1, 1), few_tokens(2, 6)


def _domain(*, steps: Length = _ONE_STEP, tokens: Length = _TOKENS) -> Domain[Steps]:
    return Domain(
        sizes={
            "tokens": tokens,
            "features": few_features(1, 3),
            "steps": steps,
            "size": Exponent(-6, 4, typical=1),
            "scale": STEP_SCALES,
            "worst": Length(0, 3),
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "scores": Free("graph", ("steps", "tokens", "tokens"), typical="scores"),
            "slack": Free("scalar", typical="zeros"),
        },
        make=_build,
    )


def high_frequency(at: Steps) -> Array:
    """Return the norm of HC[H] = (I - e e^T) H after all steps, which is the distance d_M."""
    return consensus_distance(after_steps(at))


def _low_pass(at: Steps) -> Array:
    half = constant(at.tokens.shape[-2] / 2, like=at.bound)
    return half**0.5 * power(namespace(at.bound).tanh(at.bound), at.count)


def _rounding(at: Steps, factor: Array) -> Array:
    """The steps, both distances, and the factor, of which each of t powers is off by a few eps.

    What `_scores_beyond` forgives, at most (n + 8 a + 8) eps of the bound, is in it too: a tanh
    moves by as much as its argument, relative to itself too.
    """
    n, xp = at.tokens.shape[-2], namespace(at.bound)
    relative = at.count * (2 * n + 16 * xp.abs(at.bound) + 24) * eps(at.bound)
    base = consensus_distance(at.tokens)
    right = factor * (distance_rounding(at.tokens) + relative * base) + n**0.5 * relative * base
    return steps_rounding(at) + distance_rounding(after_steps(at)) + right


def softmax_pair(a: float) -> Array:
    """Two tokens that prefer themselves by as much as scores between -a and a allow."""
    return softmax(np.asarray([[[a, -a], [-a, a]]]))


APART = np.asarray([[1.0], [-1.0]])
_HUBS = softmax(40.0 * (2 * np.eye(4)[None, [0, 1, 0, 1]] - 1))  # to rounding
_TOWARDS_HUBS = np.asarray([[1.0], [-1.0], [0.0], [0.0]])


def _all_layers(layers: Sequence[RealLayer]) -> Iterator[Steps]:
    """A head's weights in all layers, one after the other; the bound is half their widest range."""
    tokens, weights = steps_through(layers)
    logs = np.log(weights)
    wide = (logs.max(axis=-1) - logs.min(axis=-1)).max(axis=(-2, -1))
    yield Steps(tokens, weights, wide / 2)


def _layer_by_layer(layers: Sequence[RealLayer]) -> Iterator[Steps]:
    for layer in layers:
        yield from _all_layers([layer])


LOW_PASS = Theorem[Steps](
    key="high-frequency-vanishes",
    claim=r"\|\mathrm{HC}[A_t \cdots A_1 H]\|_F \le \sqrt{n/2}\, \tanh(a)^t \, \|\mathrm{HC}[H]\|_F"
    r",\quad A_k = \mathrm{softmax}(S_k),\ |S_k| \le a",
    source="wang2022antioversmoothing",
    domain=_domain(steps=Length(1, 6, typical=4)),
    hypotheses=(IS_ATTENTION, BOUNDED),
    lhs=high_frequency,
    rhs=lambda at: _low_pass(at) * consensus_distance(at.tokens),
    from_layers=_all_layers,
    rounding=lambda at: _rounding(at, _low_pass(at)),
    tight=True,
    witness=lambda: Steps(APART, np.concatenate([softmax_pair(0.5)] * 3), np.float64(0.5)),
    outside=lambda: Steps(APART, softmax_pair(1.0), np.float64(0.5)),
    note="HC[H] = (I - e e^T) H, so that its norm is d_M. The source shows for one A > 0 that the "
    "rest vanishes as t grows; this is a rate for it, and for steps that differ. Proof: "
    "Delta(A_k) <= 4 a, so that every step multiplies the diameter of a feature by tanh(a) at "
    "most (birkhoff-contraction), and dobrushin-coupling is applied to the product. Two tokens "
    "reach it; for more the constant is that of one step only.",
)


def _published(at: Steps, tokens: float) -> Array:
    """Return sqrt(m e^2a / (e^2a + n - 1)), divided through by e^2a."""
    xp, n = namespace(at.bound), at.tokens.shape[-2]
    return xp.sqrt(tokens / (1 + (n - 1) * xp.exp(-2 * at.bound)))


def _with_n(at: Steps) -> Array:
    return _published(at, at.tokens.shape[-2])


def _without_n(at: Steps) -> Array:
    return _published(at, 1.0)


ONE_STEP = Theorem[Steps](
    key="high-frequency-one-step",
    claim=r"\|\mathrm{HC}[A H]\|_F \le \sqrt{\frac{n e^{2a}}{e^{2a} + n - 1}} \,"
    r" \|\mathrm{HC}[H]\|_F,\quad A = \mathrm{softmax}(S),\ |S| \le a",
    source="wang2022antioversmoothing",
    domain=_domain(),
    hypotheses=(IS_ATTENTION, BOUNDED),
    lhs=high_frequency,
    rhs=lambda at: _with_n(at) * consensus_distance(at.tokens),
    from_layers=_layer_by_layer,
    rounding=lambda at: _rounding(at, _with_n(at)),
    outside=lambda: Steps(_TOWARDS_HUBS, _HUBS, np.float64(0.0)),
    note="No weight exceeds p = e^2a / (e^2a + n - 1), so that |A|_F^2 <= n p, and the norm of "
    "(I - e e^T) A is below that of A. But n p >= 1 for every a, with equality at a = 0, where "
    "nothing is left of the differences: the bound never shows that they shrink. It is never "
    "reached either: high-frequency-one-step-sharp is smaller by 1 / sqrt 2 at least, and 0 at "
    "a = 0.",
)


def _half(at: Steps, bound: Array) -> Array:
    """Return sqrt(min(n p / 2, n p - 1)), n p - 1 without cancellation where a is small."""
    xp, n = namespace(bound), at.tokens.shape[-2]
    total = 1 + (n - 1) * xp.exp(-2 * bound)
    return xp.sqrt(xp.minimum(n / (2 * total), -(n - 1) * xp.expm1(-2 * bound) / total))


def _half_rounding(at: Steps) -> Array:
    """As before; but where a is small the factor moves by more than what is forgiven of a."""
    moved = _half(at, at.bound + _forgiven(at)) - _half(at, at.bound)
    return _rounding(at, _half(at, at.bound)) + moved * consensus_distance(at.tokens)


ONE_STEP_SHARP = Theorem[Steps](
    key="high-frequency-one-step-sharp",
    claim=r"\|\mathrm{HC}[A H]\|_F \le \sqrt{\min(n p / 2,\, n p - 1)} \,"
    r" \|\mathrm{HC}[H]\|_F,\quad p = \frac{e^{2a}}{e^{2a} + n - 1},"
    r"\ A = \mathrm{softmax}(S),\ |S| \le a",
    source="derived",
    domain=_domain(),
    hypotheses=(IS_ATTENTION, BOUNDED),
    lhs=high_frequency,
    rhs=lambda at: _half(at, at.bound) * consensus_distance(at.tokens),
    rounding=_half_rounding,
    tight=True,
    witness=lambda: Steps(_TOWARDS_HUBS, _HUBS, np.float64(40.0)),
    outside=ONE_STEP.outside,
    note="Half of what stands under the root of high-frequency-one-step, and nothing at a = 0. "
    "Proof: for a feature x orthogonal to e with |x| = 1, |HC[A x]|^2 is at most n / 4 times the "
    "square of the range of A x (Popoviciu), which is at most max |a_i - a_j|. No weight exceeds "
    "p, so |a_i|^2 <= p, and rows have no negative product: |a_i - a_j|^2 <= 2 p. Less their "
    "mean, rows have |a_i - e / sqrt n|^2 = |a_i|^2 - 1 / n, so |a_i - a_j|^2 <= 4 (p - 1 / n). "
    "Two hubs reach n / 2 as a grows.",
)


def _two_hubs(rest: float, *, bound: float) -> Steps:
    """Three tokens that listen to one of two, and hear the others as little as ``rest``.

    A power of two, so that the rows sum to one exactly.
    """
    most = 1 - 2 * rest
    first, second = [most, rest, rest], [rest, most, rest]
    tokens = np.asarray([[1.0], [-1.0], [0.0]])
    return Steps(tokens, np.asarray([[first, second, second]]), np.float64(bound))


ONE_STEP_WITHOUT_N = Theorem[Steps](
    key="high-frequency-one-step-below-one",
    claim=r"\|\mathrm{HC}[A H]\|_F \le \sqrt{\frac{e^{2a}}{e^{2a} + n - 1}} \,"
    r" \|\mathrm{HC}[H]\|_F,\quad A = \mathrm{softmax}(S),\ |S| \le a",
    source="derived",
    domain=_domain(tokens=few_tokens(3, 6)),
    hypotheses=(IS_ATTENTION, BOUNDED),
    lhs=high_frequency,
    rhs=lambda at: _without_n(at) * consensus_distance(at.tokens),
    from_layers=_layer_by_layer,
    rounding=lambda at: _rounding(at, _without_n(at)),
    expected="refuted",
    witness=lambda: _two_hubs(2.0**-9, bound=3.125),
    correction="high-frequency-one-step: the factor n belongs under the root",
    note="This form, without the n, would be below 1 and imply convergence. Three tokens that "
    "listen to two hubs refute it; with two tokens it is true.",
)
