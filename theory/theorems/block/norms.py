"""Does a normalisation bring tokens nearer to M, and for which M?"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Literal

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.blocks.norms import Norm, apply_norm, norm_std
from theory.bounds.coefficients import norm_stretch
from theory.bounds.rounding import after_norm, distance_rounding, exactly
from theory.magnitude import frobenius_norm
from theory.measures.subspace import Subspace, consensus_distance, distance
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.real_layer import RealLayer, each_layer
from theory.statements.sizes import FLAG, Exponent, Size, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import flag

_PROOF = (
    "Proof: a centred token over its std is its radial projection onto the sphere of radius "
    "sqrt d. Outside the ball of radius sqrt(d) sigma that is 1 / sigma times the projection onto "
    "the ball, a convex set, which moves no two points apart; n d_M^2 sums over pairs of tokens."
)


@brief_repr
@dataclass(frozen=True, eq=False)
class Normalised:
    """Tokens (*b, n, d), what normalises them, and a lower bound (*b,) of their std.

    ``basis`` (*b, n, m) spans M; None stands for consensus.
    """

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "sigma": "", "basis": "n m"}

    tokens: Array
    norm: Norm
    sigma: Array
    basis: Array | None = None


def _distance(at: Normalised, tokens: Array) -> Array:
    if at.basis is None:
        return consensus_distance(tokens)
    if at.basis.ndim == 2:
        return distance(Subspace(at.basis), tokens)
    batch = at.basis.shape[:-2]
    values = [
        distance(Subspace(at.basis[(*i, ...)]), tokens[(*i, ...)])
        for i in product(*map(range, batch))
    ]
    return namespace(tokens).reshape(namespace(tokens).stack(values), batch)


def _distance_rounding(at: Normalised, tokens: Array) -> Array:
    """For a general basis: two projections, each two products that lose (n + m) eps."""
    if at.basis is None:
        return distance_rounding(tokens)
    n, d = tokens.shape[-2:]
    steps = 4 * (n + at.basis.shape[-1] + 1) * at.basis.shape[-1] + n * d + 4
    return steps * eps(tokens) * frobenius_norm(tokens) + tiny(tokens)


def _stretch(at: Normalised) -> Array:
    return norm_stretch(at.norm, at.sigma[..., None], like=at.tokens)


def norm_rounding(at: Normalised) -> Array:
    """The normalisation, its coefficient (both in `after_norm`) and the two distances."""
    output, shape = apply_norm(at.norm, at.tokens), tuple(at.tokens.shape)
    run = after_norm(at.norm, at.sigma[..., None], exactly(at.tokens), shape=shape)
    right = 2 * _stretch(at) * _distance_rounding(at, at.tokens)
    return run.error + _distance_rounding(at, output) + right


def _below_sigma(at: Normalised) -> Array:
    """Sigma must lie below every std, and std where digits are left: above the subnormals."""
    xp = namespace(at.tokens)
    smallest = xp.min(norm_std(at.norm, at.tokens), axis=-1)
    return xp.maximum(at.sigma - smallest, tiny(at.sigma) - at.sigma)


def normalised_by(kind: Literal["layer", "rms"]) -> Hypothesis[Normalised]:
    """Return the hypothesis that the norm is of this kind."""
    name = {"layer": "LayerNorm", "rms": "RMSNorm"}[kind]
    return Hypothesis(
        f"the norm is {name}",
        lambda at: flag(at.norm.kind != kind, like=at.tokens[..., 0, 0]),
    )


CONSENSUS = Hypothesis[Normalised](
    "M is consensus", lambda at: flag(at.basis is not None, like=at.tokens[..., 0, 0])
)
SIGMA = Hypothesis("sigma > 0 and no token's std is below it", _below_sigma)


def norm_from(sizes: Chosen, params: Params, *, kind: Literal["layer", "rms"]) -> Norm:
    """The eps is too small to matter (1e-100) or not, and keeps every std above zero."""
    return Norm(
        kind,
        gain=params["gain"],
        shift=params["shift"] if sizes["shifted"] else None,
        eps=10.0 ** sizes["ln_eps"],
        tau=10.0 ** (sizes["tau"] / 4),
        fixed_std=2.0 ** sizes["fixed_std"] if sizes["fixed_std"] else None,
    )


def normalised(sizes: Chosen, params: Params, norm: Norm, basis: Array | None) -> Normalised:
    """Build an instance for consensus, or for the M that the basis spans and tokens near it."""
    tokens = params["tokens"] * 2.0 ** sizes["scale"]
    if basis is not None:
        inside = basis @ params["inside"][..., : basis.shape[-1], :]
        tokens = (inside + params["tokens"] * 0.5 ** sizes["near"]) * 2.0 ** sizes["scale"]
    std = namespace(tokens).min(norm_std(norm, tokens), axis=-1)
    slack = params["slack"] ** 2 * float(sizes.get("loose", True))
    return Normalised(tokens, norm, std / (1 + slack), basis)


NORM_SIZES: dict[str, Size] = {
    "tokens": few_tokens(2, 6),
    "features": few_features(2, 5),  # one feature alone is centred away
    "scale": Exponent(-200, 200),
    "ln_eps": Exponent(-100, 0, typical=-12),
    "tau": Exponent(-4, 4),
    "fixed_std": Exponent(-3, 3),
    "shifted": FLAG,
    "loose": FLAG,
}
NORM_FREE = {
    "tokens": Free("tokens", ("tokens", "features")),
    "gain": Free("vector", ("features",), typical="ones"),
    "shift": Free("vector", ("features",), typical="zeros"),
    "slack": Free("scalar", typical="zeros"),
}


def norm_builder(kind: Literal["layer", "rms"]) -> Callable[[Chosen, Params], Normalised]:
    """Return the build function of a domain for consensus."""
    return lambda sizes, params: normalised(
        sizes, params, norm_from(sizes, params, kind=kind), None
    )


_OPPOSITE = np.asarray([[2.0, -2.0], [-2.0, 2.0]])


def _first_norm(layer: RealLayer) -> Normalised:
    """The first norm, with the smallest std among the tokens for sigma."""
    norm, tokens = layer.block.norm_1, layer.tokens + layer.attended
    sigma = namespace(tokens).min(norm_std(norm, tokens), axis=-1)
    return Normalised(tokens, norm, sigma)


def _theorem(
    key: str, kind: Literal["layer", "rms"], source: str, note: str
) -> Theorem[Normalised]:
    return Theorem[Normalised](
        key=key,
        claim=r"d_M(\mathrm{LN}(H)) \le \frac{\max|\gamma|}{\tau \sigma} d_M(H)"
        r"\quad\text{if every token's std} \ge \sigma",
        source=source,
        domain=Domain(
            sizes=NORM_SIZES if kind == "layer" else {**NORM_SIZES, "features": few_features(1, 5)},
            free=NORM_FREE,
            make=norm_builder(kind),
        ),
        hypotheses=(normalised_by(kind), CONSENSUS, SIGMA),
        lhs=lambda at: _distance(at, apply_norm(at.norm, at.tokens)),
        rhs=lambda at: _stretch(at) * _distance(at, at.tokens),
        rounding=norm_rounding,
        tight=True,
        from_layers=each_layer(_first_norm) if kind == "layer" else None,
        witness=lambda: Normalised(_OPPOSITE, Norm(kind, tau=0.5), np.float64(2.0)),
        outside=lambda: Normalised(_OPPOSITE, Norm(kind), np.float64(3.0)),
        note=note,
    )


LAYER_NORM = _theorem("layer-norm", "layer", "shi2022", _PROOF)
RMS_NORM = _theorem(
    "rms-norm", "rms", "derived", "The layer-norm proof without centring, the rms for the std."
)
