"""Does a search through many instances of one theorem refute it, if and only if it should?"""

import math
import time
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from simulations.machine.json import finite
from simulations.search.certified import Certification, certify_draws
from simulations.search.counterexamples import Counterexample
from simulations.search.effort import DEFAULT_TRIALS
from simulations.search.keys import Progress
from simulations.stacks.seeds import generator
from theory.arrays import InputError
from theory.records import brief_repr
from theory.statements.domains import Sample, draw
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem
from theory.statements.verdict import Status, Verdict

_MOST_TRIALS = 10_000_000  # days of work: rather a slip of the keyboard
_BATCH = 32  # members that share their sizes; part of what the seed stands for


@brief_repr
@dataclass(frozen=True)
class Report:
    """What so many trials of one theorem showed: evidence, no proof.

    ``decided`` counts the trials in which rounding is smaller than the right side (than what is
    compared, for an equality): in the others nothing but a gross violation could have shown.

    ``status`` is "refuted" if any trial refutes the claim, or the witness does that belongs to a
    claim refuted as stated: then few trials cannot miss it. It is "holds" if none of the trials to
    which the claim applies does. ``refuted`` counts trials, without the witness.
    ``lhs``, ``rhs`` and ``rounding`` are those of the trial with the largest ``ratio``: lhs less
    rounding over rhs, or lhs over rounding where rhs is zero in all trials that come near to it,
    as in an equality.
    ``ok`` says that the status is the expected one and that every trial met the hypotheses.
    ``certified`` is what is certain of the first draws and of a witness, if that was asked for.
    """

    key: str
    source: str
    expected: Literal["holds", "refuted"]
    status: Status
    trials: int
    applied: int
    decided: int
    refuted: int
    lhs: float
    rhs: float
    rounding: float
    ratio: float
    seconds: float
    seed: int
    counterexample: Counterexample | None
    certified: Certification | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing here is unexpected."""
        certain = self.certified is None or self.certified.agrees(self.expected)
        return certain and self.status == self.expected and self.applied == self.trials

    def as_json(self) -> dict[str, Any]:
        """Return the numbers by name; what JSON cannot say (NaN, infinity) becomes None."""
        names = ("key", "source", "expected", "status", "trials", "applied", "decided")
        values: dict[str, Any] = {"kind": "inequality"}
        values |= {name: getattr(self, name) for name in names}
        values["refuted"] = self.refuted
        for name in ("lhs", "rhs", "rounding", "ratio", "seconds"):
            values[name] = finite(getattr(self, name))
        if self.certified is not None:
            values["certified"] = self.certified.as_json()
        return {**values, "seed": self.seed, "ok": self.ok}


def verify_theorem(
    theorem: Theorem[Any],
    *,
    trials: int = DEFAULT_TRIALS,
    seed: int = 0,
    certify: bool = False,
    on_progress: Progress | None = None,
) -> Report:
    """Search for a counterexample to one theorem, of the catalogue or not.

    With ``certify`` the first draws, and a witness that refutes it, are certified too.
    """
    require_trials(trials)
    start = time.perf_counter()
    witnessed = _is_witnessed(theorem)
    applied = decided = refuted = 0
    worst = _Worst()
    found: Counterexample | None = None
    certified: Certification | None = None
    for number, done in enumerate(range(0, trials, _BATCH)):
        rng = generator(seed, "verify", theorem.key, number)
        members = min(_BATCH, trials - done)
        # A last batch that is cut short must not change the draws of the others in it.
        sample = draw(theorem.domain, rng, members=_BATCH)
        sample = _first(theorem, sample, members)
        verdict = check(theorem, sample.instance)
        if certify and number == 0:
            certified = certify_draws(theorem, sample)
        applied += int(verdict.applies.sum())
        decided += int(verdict.decided.sum())
        refuted += int(verdict.refuted.sum())
        worst = _worse(worst, verdict)
        found = _simpler(found, theorem, sample, verdict, seed)
        if on_progress is not None:
            on_progress(theorem.key, done + members, trials)
    return Report(
        key=theorem.key,
        source=theorem.source,
        expected=theorem.expected,
        status="refuted" if refuted or witnessed else "holds" if applied else "does not apply",
        trials=trials,
        applied=applied,
        decided=decided,
        refuted=refuted,
        lhs=worst.lhs,
        rhs=worst.rhs,
        rounding=worst.rounding,
        ratio=worst.ratio if worst.ratio > 0 else worst.share,
        seconds=time.perf_counter() - start,
        seed=seed,
        counterexample=found,
        certified=certified,
    )


def _is_witnessed(theorem: Theorem[Any]) -> bool:
    """Say whether a claim that is refuted as stated has a witness that refutes it again."""
    if theorem.expected != "refuted" or theorem.witness is None:
        return False
    return bool(check(theorem, theorem.witness()).refuted.any())


def _first(theorem: Theorem[Any], sample: Sample[Any], members: int) -> Sample[Any]:
    if members == _BATCH:
        return sample
    params = {name: values[:members] for name, values in sample.params.items()}
    return theorem.domain.sample(sample.sizes, params)


class _Worst(NamedTuple):
    """The trial nearest to a violation, by ``ratio``, then by ``share``: lhs over rounding.

    The share is 0 where rhs is not: only where it is zero does the ratio say nothing.
    """

    ratio: float = math.nan
    share: float = math.nan
    lhs: float = math.nan
    rhs: float = math.nan
    rounding: float = math.nan


def _worse(worst: _Worst, verdict: Verdict) -> _Worst:
    """Keep the worst of the trials that the theorem applies to; ties keep the first."""
    ratio = np.where(verdict.applies, verdict.ratio, -np.inf)
    within = (verdict.rhs == 0) & (verdict.lhs > 0) & (verdict.lhs <= verdict.rounding)
    share = np.where(within, verdict.lhs, 0.0) / np.where(within, verdict.rounding, 1.0)
    i = int(np.lexsort((-share, -ratio))[0])
    if not verdict.applies[i] or (ratio[i], share[i]) <= worst[:2]:
        return worst
    parts = (ratio, share, verdict.lhs, verdict.rhs, verdict.rounding)
    return _Worst(*(float(part[i]) for part in parts))


def _simpler(
    found: Counterexample | None,
    theorem: Theorem[Any],
    sample: Sample[Any],
    verdict: Verdict,
    seed: int,
) -> Counterexample | None:
    """Keep the counterexample with the fewest numbers, and of those the clearest."""
    if not verdict.refuted.any():
        return found
    i = int(np.argmax(np.where(verdict.refuted, verdict.ratio, -np.inf)))
    new = Counterexample(
        key=theorem.key,
        sizes=dict(sample.sizes),
        params={name: values[i] for name, values in sample.params.items()},
        lhs=float(verdict.lhs[i]),
        rhs=float(verdict.rhs[i]),
        rounding=float(verdict.rounding[i]),
        origin={"search": "verify", "seed": seed},
    )
    return new if found is None or new.rank < found.rank else found


def require_trials(trials: int) -> None:
    """Raise InputError unless so many trials can be meant."""
    require_count(trials, "trials", _MOST_TRIALS)


def require_count(count: int, name: str, most: int) -> None:
    """Raise InputError unless this is a whole number from 1 to ``most``."""
    if isinstance(count, bool) or not isinstance(count, int):
        raise InputError(f"{name} must be a whole number, but is {count!r}")
    if not 1 <= count <= most:
        raise InputError(f"{name} must be between 1 and {most:,}, but is {count:,}")
