"""What do bounds on v imply for the tokens that pass through blocks?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from theory.arrays import Array, Floats, InputError, require_plain, to_numpy
from theory.bounds.balls import Std
from theory.bounds.supremum import Suprema, Supremum

_ALIKE = 1e-3  # bounds that differ by less are told as one number

Implied = Literal["yes", "not implied"]
Form = Literal["v", "v sharp", "v diameter"]


@dataclass(frozen=True)
class Convergence:
    """What bounds on v over all tokens that can follow imply; apart from whether a bound holds.

    ``distance`` says whether d_M falls to zero whatever tokens enter, ``alike`` whether
    d_M / |H| does, so that the tokens become alike. ``bound`` is on v of every block ``after``
    that many, or where that is not below 1 on v sharp, or else on v_diameter, as ``form`` says;
    None where there is none, or where there are no such blocks. With the last it is the diameter
    that falls by so much a block, and d_M with it: it is at most sqrt((n - 1) / 2) diameters.
    """

    distance: Implied
    alike: Implied
    bound: float | None
    after: int | None
    reason: str
    form: Form = "v"


def convergence(found: Suprema) -> Convergence:
    """Say whether bounds on v over all tokens that follow imply that the tokens converge.

    Of the bounds the smallest counts, and of those that agree to three digits the first; each
    holds from its own number of blocks on.
    v < 1 on some tokens implies nothing: a norm forgets how large its input was, and later
    tokens may have any v. With d_M falling, d_M / |H| falls too if |H| keeps away from zero.
    A bound on v_diameter does the same for the diameter, which is zero where d_M is.

    Source: derived; the inequality that it rests on is that of shi2022
    """
    if not found.bounds:
        return Convergence("not implied", "not implied", None, None, found.obstacle)
    forms: dict[Form, list[float]] = {
        "v": [at.v for at in found.bounds],
        "v sharp": [at.v_sharp for at in found.bounds],
        "v diameter": [at.v_diameter for at in found.bounds],
    }
    below: list[Form] = [name for name, bounds in forms.items() if min(bounds) < 1]
    form: Form = below[0] if below else "v"
    values = forms[form]
    smallest = min(values)
    chosen = next(i for i, value in enumerate(values) if not value > smallest * (1 + _ALIKE))
    best, bound = found.bounds[chosen], values[chosen]
    if not bound < 1:
        known = bound if np.isfinite(bound) else None
        after = None if known is None else best.after
        reason = found.obstacle or _why_not(found.bounds[-1], known)
        return Convergence("not implied", "not implied", known, after, reason)
    longest = max(best.least, found.kept)
    alike = "|H| stays away from zero"
    if bound == 0:
        alike = "tokens become equal at once"
    elif best.least > 0:
        alike = f"no token is shorter than {best.least:.3g} then"
    elif found.kept > 0:
        alike = f"all tokens approach one of length {found.kept:.3g} or more"
    yes = bound == 0 or longest > 0
    where = ""
    if best.ball.bounded:
        length = float(np.linalg.norm(best.ball.centre))
        where = (
            f": by then all tokens lie within {best.ball.radius:.3g} of one point of length "
            f"{length:.3g}"
        )
    reason = (
        f"whatever tokens enter, {form} is at most {bound:.3g} from block {best.after} on, "
        f"if this block and mask come again and again{where}; "
    )
    if form == "v diameter":
        reason += "the diameter falls by that factor a block, and d_M with it; "
    reason += alike if yes else "tokens may fall towards zero as fast as their differences"
    return Convergence("yes", "yes" if yes else "not implied", bound, best.after, reason, form)


FINITELY_MANY = Convergence(
    "not implied",
    "not implied",
    None,
    None,
    "these blocks are finitely many, and a further one may have any v",
)
"""What the v of blocks that differ imply for tokens that go on and on, however small they are."""


def log_factor(v_upper: Array) -> Floats:
    """Return the logarithm of the factor by which L blocks change d_M at most: sum of log v.

    A factor for the tokens that were seen, and no limit. Minus infinity where a v is zero, and
    infinity where a v has no upper end, or is NaN.

    Shapes: (L, *b) -> (*b,)
    Raises: InputError if there is no block, or a v is negative
    """
    require_plain(v_upper)
    v = np.asarray(to_numpy(v_upper), dtype=np.float64)
    if v.ndim == 0 or len(v) == 0:
        raise InputError("v_upper must hold a number for each of some blocks, but is empty")
    if (v < 0).any():
        raise InputError("v_upper must not be negative, but some of it is")
    with np.errstate(divide="ignore"):
        logs = np.log(v)
    endless = ~np.isfinite(v).all(axis=0)
    return np.where(endless, np.inf, np.where(endless, 0.0, logs).sum(axis=0))


def _why_not(last: Supremum, bound: float | None) -> str:
    """Say what keeps the bound from being below 1."""
    reasons = [
        _no_std(name, std)
        for name, std in (("sigma_1", last.sigma_1), ("sigma_2", last.sigma_2))
        if std is not None and std.taken >= std.carried
    ]
    if bound is not None:
        reasons.append(f"the bound on later v is {bound:.3g}")
    return "; ".join(reasons) or "no bound on later v is known"


def _no_std(name: str, std: Std) -> str:
    return (
        f"constants give {name} at most {std.carried:.3g}, and tokens may take off {std.taken:.3g}"
    )
