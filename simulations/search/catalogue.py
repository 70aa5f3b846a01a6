"""Which theorems and trends are as expected, of all or of the named ones?

One theorem is tried in `simulations.search.theorem`; trends, of which samples are drawn, in
`simulations.search.trend`.
"""

from collections.abc import Iterable
from contextlib import closing

from simulations.machine.processes import each_in_processes
from simulations.search.effort import DEFAULT_TRIALS
from simulations.search.keys import Progress, known, require_known
from simulations.search.theorem import (
    Report,
    require_count,
    require_trials,
    verify_theorem,
)
from simulations.search.trend import TrendReport, verify_trend
from theory.theorems.catalogue import CATALOGUE, TRENDS

_MOST_WORKERS = 256


def verify(
    keys: Iterable[str] | None = None,
    *,
    trials: int = DEFAULT_TRIALS,
    seed: int = 0,
    workers: int = 1,
    certify: bool = False,
    on_progress: Progress | None = None,
) -> list[Report | TrendReport]:
    """Search for counterexamples to the theorems and trends with these keys, or to all of them.

    The numbers depend on seed, trials and the statement's own key only, not on ``workers``, the
    number of processes: adding a theorem changes no other, and more trials go on where fewer
    stop. Trends draw samples until they can decide, whatever ``trials`` is. ``on_progress`` is
    called with the key, the trials done and the trials wanted; these are equal at the end, which
    is all that is told of another process. A script that asks for several workers needs the usual
    ``if __name__ == "__main__":``. ``certify`` asks what is certain of the first draws of each
    theorem; trends, of rates and expectations, have no certificates.

    Raises: InputError for an unknown key, a negative seed, an impossible number of trials or
        workers, or if a worker dies
    """
    wanted = list(known()) if keys is None else [keys] if isinstance(keys, str) else list(keys)
    wanted = list(dict.fromkeys(wanted))
    require_known(wanted)
    require_trials(trials)
    require_count(workers, "workers", _MOST_WORKERS)
    if min(workers, len(wanted)) > 1:
        calls = [(key, trials, seed, certify) for key in wanted]
        return _in_processes(calls, min(workers, len(wanted)), on_progress)
    return [_verify_one(key, trials, seed, certify, on_progress) for key in wanted]


def _verify_one(
    key: str, trials: int, seed: int, certify: bool, on_progress: Progress | None = None
) -> Report | TrendReport:
    if key in CATALOGUE:
        theorem = CATALOGUE[key]
        return verify_theorem(
            theorem, trials=trials, seed=seed, certify=certify, on_progress=on_progress
        )
    return verify_trend(TRENDS[key], seed=seed, on_progress=on_progress)


def _in_processes(
    calls: list[tuple[str, int, int, bool]], workers: int, on_progress: Progress | None
) -> list[Report | TrendReport]:
    """Try each statement in one of several processes, the next one as soon as one is free."""
    found: dict[str, Report | TrendReport] = {}
    keys = [key for key, *_ in calls]
    with closing(each_in_processes(_verify_one, calls, workers=workers)) as finished:
        for number, report in finished:
            found[keys[number]] = report
            if on_progress is not None:
                on_progress(keys[number], report.trials, report.trials)
    return [found[key] for key in keys]
