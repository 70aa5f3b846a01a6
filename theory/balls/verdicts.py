"""Does a theorem hold on an instance, for certain, or is it refuted there, for certain?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from theory.arrays import Array, InputError, to_numpy
from theory.records import brief_repr, one_line
from theory.statements.domains import Params, Sizes
from theory.statements.evaluation import require_about
from theory.statements.instances import Instance, leaves, map_arrays
from theory.statements.theorem import Theorem
from theory.statements.verdict import FINITE

if TYPE_CHECKING:
    from theory.balls.library import BallLibrary

Outcome: TypeAlias = Literal["holds", "refuted", "tie", "undecided", "does not apply"]
Met: TypeAlias = Literal["met", "broken", "open"]

PRECISIONS = (64, 128, 256, 512)
"""Bits of the balls: more only where fewer do not decide."""

NOT_REFUSED = "no function refuses its arguments"
"""What is open where a function asked whether to refuse and got no answer, and went on."""

AS_GIVEN = "the numbers as they are given, each taken as exact"
BUILT = "the instance that the domain builds of the free numbers, in exact arithmetic"


@brief_repr
@dataclass(frozen=True)
class CertifiedVerdict:
    """What is certain of a theorem on one instance.

    ``outcome`` is "holds" or "refuted" where the enclosures of the two sides do not overlap, "does
    not apply" where a hypothesis is broken; "tie" where the sides come as near to each other as
    the balls are small, as in an equality, and "undecided" where something else stays open.
    ``certified`` says that the outcome is proved: of a refutation only if every hypothesis is
    "met". One that is "open" may be an equality that holds by construction: rows of a softmax sum
    to one, but no ball says so. ``lhs`` and ``rhs`` are enclosures as Arb writes them, in decimal,
    ``bits`` the precision that they were computed with, and ``about`` says which numbers the
    verdict is about.
    """

    key: str
    outcome: Outcome
    certified: bool
    lhs: str | None
    rhs: str | None
    hypotheses: Mapping[str, Met]
    bits: int
    about: str
    reason: str

    @property
    def words(self) -> str:
        """The outcome in a few words, with what is certain of it."""
        return f"{self.outcome}, {'certified' if self.certified else 'not certified'}"

    def as_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        names = ("outcome", "certified", "lhs", "rhs", "hypotheses", "bits", "about", "reason")
        return {name: getattr(self, name) for name in names} | {"hypotheses": {**self.hypotheses}}


def certify(
    theorem: Theorem[Instance], instance: Instance, *, about: str = AS_GIVEN
) -> CertifiedVerdict:
    """Try a theorem on one instance, its numbers exact, and enclose all that is computed of them.

    Arrays hold floats, whole numbers or, as objects, fractions.Fraction. What is certified is a
    statement about the two sides as the theorem's functions define them, in real arithmetic; a
    constant that these keep as a float64 is that float64. Precision rises while the enclosures do
    not decide.

    Raises: InputError for a batch, for what `theory.statements.evaluation.check` refuses, for
            functions that need an array of numpy, and without python-flint
    """
    require_about(theorem, instance)
    if theorem.batch(instance):
        raise InputError("certify takes one instance, but this is a batch; take a member of it")

    if not all(map(_is_finite, leaves(instance))):
        return _not_finite(theorem, about)

    def exact(balls: "BallLibrary") -> Any:
        return map_arrays(lambda array, _: balls.asarray(_host(array)), instance)

    return _rising(theorem, exact, about)


def certify_built(
    theorem: Theorem[Any], sizes: Sizes, params: Params, *, about: str = BUILT
) -> CertifiedVerdict:
    """Certify a theorem on the instance that its domain builds of these free numbers.

    All of it is built in exact arithmetic, so that rows that are divided by their sums have the
    sum one exactly.

    Raises: InputError as `certify`
    """
    if not all(map(_is_finite, params.values())):
        return _not_finite(theorem, about)

    def exact(balls: "BallLibrary") -> Any:
        return theorem.domain.build(
            sizes, {name: balls.asarray(_host(values)) for name, values in params.items()}
        )

    return _rising(theorem, exact, about)


def require_flint() -> None:
    """Raise InputError unless python-flint is there, which is an extra."""
    try:
        import flint  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"certifying needs python-flint: pip install 'oversmooth[proof]' ({error})"
        ) from error


def _is_finite(array: Array) -> bool:
    host = _host(array)
    return bool(host.dtype.kind == "O" or np.isfinite(host).all())


def _not_finite(theorem: Theorem[Any], about: str) -> CertifiedVerdict:
    """Return what is said of a NaN or an infinity: no number, nothing to enclose."""
    reason = f"broken: {FINITE}"
    found: dict[str, Met] = {FINITE: "broken"}
    return CertifiedVerdict(
        theorem.key, "does not apply", True, None, None, found, PRECISIONS[0], about, reason
    )


def _host(array: Array) -> Any:
    fractions = isinstance(array, np.ndarray) and array.dtype.kind == "O"
    return array if fractions else to_numpy(array)


@dataclass(frozen=True)
class _Tried:
    """What one precision says: the answer to lhs <= rhs, or None, and how near the sides are."""

    answer: int | None
    hypotheses: dict[str, Met]
    lhs: Any = None
    rhs: Any = None
    reason: str = ""
    refused: bool = False


def _rising(
    theorem: Theorem[Any], exact: "Callable[[BallLibrary], Any]", about: str
) -> CertifiedVerdict:
    """Try with more and more bits, until the outcome is certain."""
    require_flint()
    from flint import ctx

    from theory.balls.library import library

    tried = []
    for bits in PRECISIONS:
        with ctx.workprec(bits):
            tried.append(_try(theorem, exact, library(bits)))
            found = _verdict(theorem, tried, bits, about)
        if found.certified:
            break
    return found


def _try(
    theorem: Theorem[Any], exact: "Callable[[BallLibrary], Any]", balls: "BallLibrary"
) -> _Tried:
    hypotheses: dict[str, Met] = {}
    balls.left_open = False
    try:
        instance = exact(balls)
        for hypothesis in theorem.hypotheses:
            hypotheses[hypothesis.name] = _met(hypothesis.violation, instance, balls)
        lhs, rhs = (_one(side(instance), balls) for side in (theorem.lhs, theorem.rhs))
    except ArithmeticError as error:  # mostly an UndecidedError
        return _Tried(None, hypotheses, reason=str(error))
    except InputError as error:
        return _Tried(None, hypotheses, reason=f"refused: {error}", refused=True)
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"{theorem.key} cannot be certified: its functions need an array of numpy "
            f"({one_line(str(error), longest=120)}); theory.arrays.namespace(array) gives the "
            "functions of any array library"
        ) from error
    from theory.balls.numbers import UNKNOWN, less_equal

    if balls.left_open:
        hypotheses[NOT_REFUSED] = "open"
    answer = less_equal(lhs, rhs)
    return _Tried(None if answer == UNKNOWN else answer, hypotheses, lhs, rhs)


def _met(violation: Callable[[Any], Array], instance: Any, balls: "BallLibrary") -> Met:
    from theory.balls.numbers import UNKNOWN, less_equal, number

    try:
        answer = less_equal(_one(violation(instance), balls), number(0))
    except (ArithmeticError, InputError):
        return "open"
    return "open" if answer == UNKNOWN else "met" if answer else "broken"


def _one(values: Array, balls: "BallLibrary") -> Any:
    """Return the one number of a side."""
    return balls.numbers(values)[()]


def _verdict(theorem: Theorem[Any], tried: list[_Tried], bits: int, about: str) -> CertifiedVerdict:
    last = tried[-1]
    broken = [name for name, met in last.hypotheses.items() if met == "broken"]
    still = [name for name, met in last.hypotheses.items() if met == "open"]
    outcome: Outcome = "undecided"
    certified, reason = False, last.reason or "the enclosures of the two sides overlap"
    if broken:
        outcome, certified, reason = "does not apply", True, f"broken: {'; '.join(broken)}"
    elif last.refused:
        outcome = "does not apply"
    elif last.answer is not None:
        outcome = "holds" if last.answer else "refuted"
        certified = outcome == "holds" or not still
        reason = f"open, and met at most by construction: {'; '.join(still)}" if still else ""
    elif _is_tie(tried):
        outcome = "tie"
        reason = "the two sides agree in as many digits as the balls have: an equality, or near one"
    lhs, rhs = (None if side is None else _text(side) for side in (last.lhs, last.rhs))
    return CertifiedVerdict(
        theorem.key, outcome, certified, lhs, rhs, last.hypotheses, bits, about, reason
    )


def _is_tie(tried: list[_Tried]) -> bool:
    """Say whether the sides came nearer to each other with every bit that the balls had more."""
    from flint import arb

    if any(each.lhs is None for each in tried) or len(tried) < 2:
        return False
    first, last = (abs(arb(each.lhs) - arb(each.rhs)).upper() for each in (tried[0], tried[-1]))
    return bool(last.is_finite() and last < first * arb(2) ** -(PRECISIONS[-1] // 4))


def _text(side: Any) -> str:
    from flint import arb

    return str(arb(side).str(20))
