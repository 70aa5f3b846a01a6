"""What do bounds on v imply for the tokens that pass through blocks?"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from theory.arrays import Array, InputError, to_numpy
from theory.bounds.balls import Floats, Std
from theory.bounds.supremum import Suprema, Supremum

Implied = Literal["yes", "not implied"]


@dataclass(frozen=True)
class Convergence:
    """What bounds on v over all tokens that can follow imply; apart from whether a bound holds.

    ``distance`` says whether d_M falls to zero whatever tokens enter, ``alike`` whether
    d_M / |H| does, so that the tokens become alike. ``bound`` is on v of every block ``after``
    that many; None where there is none, or where there are no such blocks.
    """

    distance: Implied
    alike: Implied
    bound: float | None
    after: int | None
    reason: str


def convergence(found: Suprema) -> Convergence:
    """Say whether bounds on v over all tokens that follow imply that the tokens converge.

    Of the bounds below 1 the smallest counts; each holds from its own number of blocks on.
    v < 1 on some tokens implies nothing: a norm forgets how large its input was, and later
    tokens may have any v. With d_M falling, d_M / |H| falls too if |H| keeps away from zero.

    Source: derived; the inequality that it rests on is that of shi2022
    """
    if not found.bounds:
        return Convergence("not implied", "not implied", None, None, found.obstacle)
    best = min(found.bounds, key=lambda at: at.bound)
    if not best.bound < 1:
        last = found.bounds[-1]
        bound = best.bound if np.isfinite(best.bound) else None
        after = None if bound is None else best.after
        reason = found.obstacle or _why_not(last, bound)
        return Convergence("not implied", "not implied", bound, after, reason)
    longest = max(best.least, found.kept)
    alike = "|H| stays away from zero"
    if best.bound == 0:
        alike = "tokens become equal at once"
    elif best.least > 0:
        alike = f"no token is shorter than {best.least:.3g} then"
    elif found.kept > 0:
        alike = f"all tokens approach one of length {found.kept:.3g} or more"
    yes = best.bound == 0 or longest > 0
    name = "v" if best.v < 1 else "v sharp"
    where = ""
    if best.ball.bounded:
        length = float(np.linalg.norm(best.ball.centre))
        where = (
            f": by then all tokens lie within {best.ball.radius:.3g} of one point of length "
            f"{length:.3g}"
        )
    reason = (
        f"whatever tokens enter, {name} is at most {best.bound:.3g} from block {best.after} on, "
        f"if this block and mask come again and again{where}; "
    )
    reason += alike if yes else "tokens may fall towards zero as fast as their differences"
    return Convergence("yes", "yes" if yes else "not implied", best.bound, best.after, reason)


def finite_blocks(v_upper: Any) -> Convergence:
    """Say that finitely many blocks imply no limit, and what they imply instead.

    Shapes: upper ends of v, (L, *b)
    """
    log10 = np.max(log_factor(v_upper)) / np.log(10)
    depth = len(to_numpy(v_upper))
    over = f"at most 10^{log10:.1f} times" if np.isfinite(log10) else "any number of times"
    over = "0 times" if log10 == -np.inf else over
    reason = (
        "the blocks differ, or are all there are, and a further one may have any v; over these "
        f"{depth}, on these tokens, d_M becomes {over} what it was"
    )
    return Convergence("not implied", "not implied", None, None, reason)


def log_factor(v_upper: Array) -> Floats:
    """Return the logarithm of the factor by which L blocks change d_M at most: sum of log v.

    A factor for the tokens that were seen, and no limit. Minus infinity where a v is zero, and
    infinity where a v has no upper end.

    Shapes: (L, *b) -> (*b,)
    Raises: InputError if there is no block, or a v is negative or NaN
    """
    v = np.asarray(to_numpy(v_upper), dtype=np.float64)
    if v.ndim == 0 or len(v) == 0:
        raise InputError("v_upper must hold a number for each of some blocks, but is empty")
    if not (v >= 0).all():
        raise InputError("v_upper must not be negative or NaN, but some of it is")
    with np.errstate(divide="ignore"):
        logs = np.log(v)
    endless = np.isinf(v).any(axis=0)
    return np.where(endless, np.inf, np.where(endless, 0.0, logs).sum(axis=0))


def _why_not(last: Supremum, bound: float | None) -> str:
    """Say what keeps the bound from being below 1."""
    for name, std in (("sigma_1", last.sigma_1), ("sigma_2", last.sigma_2)):
        if std is not None and not std.least > 0:
            return _no_std(name, std)
    return "no bound on later v is known" if bound is None else f"the bound on later v is {bound:.3g}"


def _no_std(name: str, std: Std) -> str:
    return (
        f"constants give {name} at most {std.carried:.3g}, and tokens may take off "
        f"{std.taken:.3g}, so that it may vanish"
    )
