"""How are the verdicts on theorems and trends shown to a person?"""

from collections.abc import Iterable

from rich import box
from rich.table import Table

from simulations.reports.tables import number
from simulations.search.theorem import Report
from simulations.search.trend import TrendReport
from theory.balls.verdicts import CertifiedVerdict


def verify_tables(reports: Iterable[Report | TrendReport]) -> list[Table]:
    """Return a table of the theorems that were tried, and one of the trends, if there are any."""
    reports = list(reports)
    theorems = [found for found in reports if isinstance(found, Report)]
    trends = [found for found in reports if isinstance(found, TrendReport)]
    tables = [verify_table(theorems)] if theorems else []
    return tables + ([trend_table(trends)] if trends else [])


def certified_rows(found: CertifiedVerdict | None) -> list[tuple[str, str]]:
    """Return what is certain, row by row, of one instance; nothing where that was not asked for."""
    if found is None:
        return []
    rows = [("all rounding enclosed", f"{found.words} (with {found.bits} bits)")]
    rows.append(("which is about", found.about))
    rows += [
        (f"the {side} side", ball)
        for side, ball in (("left", found.lhs), ("right", found.rhs))
        if ball is not None
    ]
    rows += [(f"hypothesis: {name}", met) for name, met in found.hypotheses.items()]
    return rows + ([("why", found.reason)] if found.reason else [])


def trend_table(reports: Iterable[TrendReport]) -> Table:
    """Return a table with a row for each trend: its interval, beside the values claimed."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("trend", overflow="fold")
    for heading in ("samples", "estimate", "interval", "claimed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for found in reports:
        interval, claimed = _interval(found.lower, found.upper), _interval(*found.claimed)
        cells = (str(found.trials), number(found.estimate), interval, claimed)
        table.add_row(found.key, *cells, _trend_remark(found))
    return table


def _interval(lower: float, upper: float) -> str:
    if lower == upper:
        return number(lower)
    return f"{number(lower)} .. {number(upper)}"


def _trend_remark(found: TrendReport) -> str:
    if not found.ok:
        why = f" ({found.reason})" if found.reason else ""
        return f"UNEXPECTED {found.status}{why}: should be {found.expected}"
    if found.status == "refuted":
        return f"refuted, as expected: false as stated (alpha {found.alpha:.0e})"
    return f"holds (alpha {found.alpha:.0e})"


def verify_table(reports: Iterable[Report]) -> Table:
    """Return a table with a row for each theorem that was tried.

    "decided" are the trials in which rounding is smaller than what is compared.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("theorem", overflow="fold")
    for heading in ("trials", "decided", "worst lhs", "rhs", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    reports = list(reports)
    if certified := any(found.certified is not None for found in reports):
        table.add_column("draws, all rounding enclosed", overflow="fold")
    for found in reports:
        ratio = number(found.ratio)
        if found.rhs == 0 and 0 < found.ratio <= 1:
            ratio += " of rounding"
        counts, sides = (found.trials, found.decided), (found.lhs, found.rhs)
        cells = (*map(str, counts), *map(number, sides), ratio)
        more = (str(found.certified),) if certified else ()
        table.add_row(found.key, *cells, _remark(found), *more)
    return table


def _remark(found: Report) -> str:
    if not found.ok:
        return f"UNEXPECTED {found.status}: should be {found.expected}"
    if found.status == "refuted":
        return "refuted, as expected: false as stated"
    if found.decided == 0:
        return f"{found.status}: but rounding decides every trial"
    return f"{found.status}: no counterexample"
