"""What does trying a theorem on one instance, or on a batch of them, say?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Floats
from theory.records import brief_repr

Status: TypeAlias = Literal["holds", "refuted", "does not apply"]

FINITE = "all entries are finite"
COMPUTABLE = "both sides can be computed"


@brief_repr
@dataclass(frozen=True, eq=False)
class Verdict:
    """What a theorem says about an instance, in float64 on the host; shapes are (*b,).

    ``margins`` holds the violation of every hypothesis by name, NaN where it could not be
    computed. ``status`` has three values, and none of them speaks of convergence: for what a
    bound implies see `theory.bounds.implications.convergence`.
    """

    key: str
    margins: Mapping[str, Floats]
    lhs: Floats
    rhs: Floats
    rounding: Floats
    scale: Floats

    @property
    def applies(self) -> NDArray[np.bool_]:
        """Whether every hypothesis is met and both sides are finite numbers."""
        met = [margin <= 0 for margin in self.margins.values()]  # false for NaN
        return np.asarray(np.all(met, axis=0))

    @property
    def excess(self) -> Floats:
        """By how much the left side exceeds the right one; negative where it is smaller."""
        return np.asarray(self.lhs - self.rhs)

    @property
    def refuted(self) -> NDArray[np.bool_]:
        """Whether the claim fails by more than rounding although it applies."""
        return np.asarray(self.applies & ~(self.excess <= self.rounding))

    @property
    def drowned(self) -> NDArray[np.bool_]:
        """Whether the claim could hardly fail: rounding may be as large as ``scale``, not 0.

        Then neither a left side below the right one nor one above it says anything. Where scale
        is zero, as for tokens that are all equal, 0 <= 0 is what is claimed.
        """
        return np.asarray(
            self.applies & ~self.refuted & (self.scale > 0) & (self.rounding >= self.scale)
        )

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Whether the claim applies and is true, up to rounding that is smaller than its sides."""
        return np.asarray(self.applies & ~self.refuted & ~self.drowned)

    @property
    def ratio(self) -> Floats:
        """lhs, with the rounding taken off, over rhs: above one exactly where refuted.

        Zero says that the left side is nothing but rounding; 0 / 0 counts as 0.
        """
        lhs = np.where(self.lhs > self.rounding, self.lhs - self.rounding, 0.0)
        with np.errstate(all="ignore"):
            ratio = np.where(lhs == 0, 0.0, lhs / self.rhs)
        # The last bit of the quotient must not contradict the verdict.
        ratio = np.where(self.excess <= self.rounding, np.minimum(ratio, 1.0), ratio)
        return np.asarray(np.where(np.isfinite(self.lhs + self.rhs), ratio, np.nan))

    @property
    def status(self) -> Any:
        """'holds', 'refuted' or 'does not apply', as where rounding decides: see `drowned`.

        A string, or an array of them.
        """
        words = np.where(self.refuted, "refuted", np.where(self.holds, "holds", "does not apply"))
        return str(words) if words.ndim == 0 else words

    @property
    def reasons(self) -> tuple[str, ...]:
        """The hypotheses that some member breaks; see also `unknown`."""
        return tuple(name for name, margin in self.margins.items() if (margin > 0).any())

    @property
    def unknown(self) -> tuple[str, ...]:
        """The hypotheses that could not be computed for some member, all of it finite.

        Such a member does not meet them, but nothing is known to break them either.
        """
        finite = self.margins[FINITE] <= 0  # elsewhere the rest was not tried
        known = {name: margin == margin for name, margin in self.margins.items()}  # not NaN
        return tuple(name for name, members in known.items() if (~members & finite).any())

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Whether the claim applies and could have failed by more than rounding can explain.

        That is, rounding is below ``scale``: the right side, or for an equality the size of what
        is compared. Elsewhere "holds" says nothing.
        """
        return np.asarray(self.applies & (self.rounding < self.scale))
