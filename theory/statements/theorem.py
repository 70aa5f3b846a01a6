"""What is a theorem, and what does trying it on one instance, or on a batch of them, say?"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Generic, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Array, InputError, ShapeError, namespace, to_numpy
from theory.statements.domains import Domain, draw
from theory.statements.instances import (
    Instance,
    as_float64,
    leaves,
    member,
    require_axes,
    require_batch,
)

Numbers: TypeAlias = NDArray[np.float64]
Status: TypeAlias = Literal["holds", "refuted", "does not apply"]

FINITE = "all entries are finite"
COMPUTABLE = "both sides can be computed"


@dataclass(frozen=True)
class Hypothesis(Generic[Instance]):
    """What has to be true before the claim says anything.

    ``violation`` maps an instance to numbers (*b,) that are positive where the hypothesis is
    broken; whatever rounding it has to forgive is already taken off.
    """

    name: str
    violation: Callable[[Instance], Array]


def _batch_of_tokens(instance: Any) -> tuple[int, ...]:
    if not hasattr(instance, "tokens"):
        raise InputError(f"{type(instance).__name__} has no tokens: state the theorem's batch")
    return tuple(instance.tokens.shape[:-2])


@dataclass(frozen=True)
class Theorem(Generic[Instance]):
    """A claim lhs <= rhs about all instances that meet the hypotheses; data that can be false.

    ``claim`` is LaTeX, ``source`` a key of references.bib, or "derived" with the proof in the
    note. ``rounding`` bounds, in float64, how far rounding alone can lift lhs above rhs; its
    function says where each term comes from. A ``tight`` theorem has a ``witness`` that reaches
    equality, and one with ``expected`` "refuted" a witness that breaks it and the
    ``correction``. ``outside`` breaks a hypothesis, and then the claim fails too. ``domain``
    makes instances that meet the hypotheses; ``batch`` reads the batch axes of an instance.
    ``scale`` is what rounding has to stay below for a verdict to say anything; None is rhs.
    """

    key: str
    claim: str
    source: str
    domain: Domain[Instance]
    lhs: Callable[[Instance], Array]
    rhs: Callable[[Instance], Array]
    rounding: Callable[[Instance], Array]
    hypotheses: tuple[Hypothesis[Instance], ...] = ()
    tight: bool = False
    expected: Literal["holds", "refuted"] = "holds"
    witness: Callable[[], Instance] | None = None
    outside: Callable[[], Instance] | None = None
    correction: str = ""
    note: str = ""
    batch: Callable[[Instance], tuple[int, ...]] = _batch_of_tokens
    scale: Callable[[Instance], Array] | None = None

    def __post_init__(self) -> None:
        refuted = self.expected == "refuted"
        assert not (self.tight and refuted), "a refuted claim is not tight"
        assert self.witness is not None or not (self.tight or refuted), "a witness is missing"
        assert bool(self.correction) == refuted, "a correction belongs to a refuted claim"

    @cached_property
    def about(self) -> type[Instance]:
        """The class of the instances that the theorem speaks of."""
        return type(draw(self.domain, np.random.default_rng(0)).instance)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a theorem says about an instance, in float64 on the host; shapes are (*b,).

    ``margins`` holds the violation of every hypothesis by name, NaN where it could not be
    computed. ``status`` has three values, and none of them speaks of convergence: for what a
    bound implies see `convergence`.
    """

    key: str
    margins: Mapping[str, Numbers]
    lhs: Numbers
    rhs: Numbers
    rounding: Numbers
    scale: Numbers

    @property
    def applies(self) -> NDArray[np.bool_]:
        """Whether every hypothesis is met and both sides are finite numbers."""
        met = [margin <= 0 for margin in self.margins.values()]  # false for NaN
        return np.asarray(np.all(met, axis=0))

    @property
    def excess(self) -> Numbers:
        """By how much the left side exceeds the right one; negative where it is smaller."""
        return np.asarray(self.lhs - self.rhs)

    @property
    def refuted(self) -> NDArray[np.bool_]:
        """Whether the claim fails by more than rounding although it applies."""
        return np.asarray(self.applies & ~(self.excess <= self.rounding))

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Whether the claim applies and is true, up to rounding."""
        return np.asarray(self.applies & ~self.refuted)

    @property
    def ratio(self) -> Numbers:
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
        """'holds', 'refuted' or 'does not apply': a string, or an array of them."""
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


def check(theorem: Theorem[Instance], instance: Instance) -> Verdict:
    """Try a theorem on an instance, in float64, every member of a batch for itself.

    An instance with a NaN or an infinity, or whose sides overflow, gets "does not apply".

    Raises: InputError for what is no theorem, for an instance of another class than the theorem's
    domain makes, and for arrays whose shapes do not go together
    Source: the three outcomes are this project's
    """
    if not isinstance(theorem, Theorem):
        raise InputError(
            f"theorem must be a Theorem, such as CATALOGUE[key], but is {theorem!r:.60}"
        )
    kind = theorem.about
    if not isinstance(instance, kind):
        raise InputError(
            f"{theorem.key} is about a {kind.__qualname__} of {kind.__module__}, "
            f"but the instance is {instance!r:.60}"
        )
    require_axes(instance)
    require_batch(instance, theorem.batch(instance))
    return judge(theorem, as_float64(instance), read=_read)


def judge(
    theorem: Theorem[Instance], exact: Instance, *, read: Callable[[Array], NDArray[Any]]
) -> Verdict:
    """Try a theorem on an instance in the arithmetic of its arrays; `check` fixes it to float64.

    ``read`` brings a computed side to the host: as float64, or as objects that compare, add and
    know NaN as numbers of more digits do. The verdict holds what it returns.
    """
    batch = theorem.batch(exact)
    if not batch:
        return _judge(theorem, exact, read=read)
    try:
        whole = _judge(theorem, exact, read=read, batch=batch)
        if not (whole.margins[FINITE] > 0).any():
            return whole
    except (InputError, ArithmeticError, np.linalg.LinAlgError):
        pass  # one member can spoil a call for all of them
    single = [_judge(theorem, member(exact, i), read=read) for i in product(*map(range, batch))]
    return _stack(theorem, single, batch)


def _read(values: Array) -> Numbers:
    return to_numpy(values).astype(np.float64)


def _judge(
    theorem: Theorem[Instance],
    instance: Instance,
    *,
    read: Callable[[Array], NDArray[Any]],
    batch: tuple[int, ...] = (),
) -> Verdict:
    """Check an instance; with a batch, errors of single members come out as exceptions."""
    unknown = np.full(batch, np.nan)

    def attempt(compute: Callable[[Instance], Array]) -> Numbers:
        try:
            values = read(compute(instance))
        except ShapeError:
            raise
        except (InputError, ArithmeticError, np.linalg.LinAlgError):
            if batch:
                raise
            return unknown  # what cannot be computed is neither met nor true
        return np.broadcast_to(values, batch)

    margins = {FINITE: np.full(batch, float(_count_not_finite(instance)))}
    if margins[FINITE].any():
        margins |= {hypothesis.name: unknown for hypothesis in theorem.hypotheses}
        margins[COMPUTABLE] = unknown
        return Verdict(theorem.key, margins, unknown, unknown, unknown, unknown)
    with np.errstate(all="ignore"):  # what overflows is caught by COMPUTABLE
        sides = (theorem.lhs, theorem.rhs, theorem.rounding)
        violations = {each.name: each.violation for each in theorem.hypotheses}
        margins |= {name: attempt(violation) for name, violation in violations.items()}
        lhs, rhs, rounding = (attempt(side) for side in sides)
        scale = rhs if theorem.scale is None else attempt(theorem.scale)
        computed = _is_finite(lhs) & _is_finite(rhs + rounding)
    margins[COMPUTABLE] = np.where(computed, 0.0, 1.0)
    return Verdict(theorem.key, margins, lhs, rhs, rounding, scale)


def _is_finite(numbers: Numbers) -> NDArray[np.bool_]:
    """Return `numpy.isfinite`, of objects too."""
    return np.asarray(numbers - numbers == 0)


def _count_not_finite(instance: object) -> int:
    count = 0
    for array in leaves(instance):
        xp = namespace(array)
        if array.dtype != xp.bool:
            count += int(xp.count_nonzero(~xp.isfinite(array)))
    return count


def _stack(theorem: Theorem[Any], single: list[Verdict], batch: tuple[int, ...]) -> Verdict:
    def join(values: Iterable[Numbers]) -> Numbers:
        found = [np.asarray(value) for value in values]
        kind = np.result_type(np.float64, *found)  # objects where some have more digits
        return np.asarray([value[()] for value in found], dtype=kind).reshape(batch)

    names = (FINITE, *(hypothesis.name for hypothesis in theorem.hypotheses), COMPUTABLE)
    return Verdict(
        theorem.key,
        {name: join(verdict.margins[name] for verdict in single) for name in names},
        join(verdict.lhs for verdict in single),
        join(verdict.rhs for verdict in single),
        join(verdict.rounding for verdict in single),
        join(verdict.scale for verdict in single),
    )
