"""How the law and what stands beside it become JSON and tables."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from simulations.law.comparison import Comparison
from simulations.law.critical import CriticalPoints
from simulations.law.windows import Window
from simulations.law.words import consensus_words, span_words
from simulations.reports.tables import number
from theory.law.transverse import LawReport

_ROWS = 12  # of the eigenvalues' table: the slowest modes, unless all are asked for


def law_json(found: Comparison, critical: Iterable[CriticalPoints] = ()) -> dict[str, Any]:
    """Return a comparison as one object; NaN and infinities become null later."""
    law = found.law
    return {
        "rate": law.rate,
        "error": law.error,
        "relative_rate": law.relative_rate,
        "slowest_eigenvalue": _complex(law.slowest),
        "method": list(law.methods),
        "gap": law.gap,
        "along": law.along,
        "token_growth": law.token_growth,
        "finite_rate": law.finite_rate,
        "finite_depth": law.depth,
        "rank_of_m": law.rank,
        "law_is_transverse_to": span_words(law.rank, len(law.rates)),
        "components": [list(part) for part in law.components],
        "law_consensus": max(law.rate, law.along) if law.rank > 1 else None,
        "undecided_modes": law.undecided,
        "attraction": law.attraction,
        "modes": [
            {
                "eigenvalue": _complex(mu),
                "rate": rate,
                "error": error,
                "relative_rate": rate / law.token_growth,
                "finite_rate": finite,
                "copies": copies,
            }
            for mu, rate, error, finite, copies in _modes(law)
        ],
        "equal_depth": vars(found.equal) | {"gap": found.equal_depth_gap},
        "late": None if found.late is None else vars(found.late) | {"gap": found.limit_gap},
        "v_sharp": found.limit_v_sharp,
        "v": found.limit_v,
        "v_sup": found.limit_v_sup,
        "ordering": found.ordering,
        "critical": {str(each.driver): critical_json(each) for each in critical},
    }


def critical_json(found: CriticalPoints) -> dict[str, Any]:
    """Return the crossings along one driver as one object."""
    return {
        "grid": found.grid,
        "rates": found.rates,
        "errors": found.errors,
        "crossings": {
            name: [vars(crossing) for crossing in crossings]
            for name, crossings in found.crossings.items()
        },
        "words": {name: found.words(name) for name in found.crossings},
        "price": found.price,
        "refused": [{"value": value, "reason": reason} for value, reason in found.refused],
    }


def modes_table(law: LawReport, *, title: str = "") -> Table:
    """Return a table with a row for each eigenvalue of the random walk, the slowest first."""
    table = _table(title)
    headings = ("eigenvalue", "copies", "rate", "error", "relative rate", f"over {law.depth}")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    modes = _modes(law)
    for mu, rate, error, finite, copies in modes[:_ROWS]:
        numbers = (number(x) for x in (error, rate / law.token_growth, finite))
        table.add_row(eigenvalue_words(mu), str(copies), f"{rate:.6g}", *numbers)
    if len(modes) > _ROWS:
        table.caption = f"and {len(modes) - _ROWS} faster ones (all of them in --json)"
    return table


def rates_table(found: Comparison) -> Table:
    """Return the numbers that belong beside each other, at equal depth and in the limit."""
    table = _table("")
    for heading in ("layers", "simulated", "law", "error", "v sharp", "v"):
        table.add_column(heading, justify="right", no_wrap=True)
    equal, late, law = found.equal, found.late, found.law
    table.add_row(_layers(equal), *_numbers(equal, equal.linear, equal.error))
    if late is not None:
        table.add_row(_layers(late), *_numbers(late, late.linear, late.error))
    factors = (number(x) for x in (law.error, found.limit_v_sharp, found.limit_v))
    table.add_row("limit", "", f"{law.rate:.6g}", *factors)
    return table


def critical_table(points: Iterable[CriticalPoints]) -> Table:
    """Return where law and theorem cross 1 along some drivers, and how far apart that is."""
    table = _table("")
    for heading in ("driver", "factor", "crosses 1 at"):
        table.add_column(heading, overflow="fold")
    for found in points:
        for name in found.crossings:
            table.add_row(found.driver, name, found.words(name))
        price = "no crossing of both" if found.price is None else f"{found.price:.6g}"
        table.add_row(found.driver, "price of the theorem", price)
        if found.refused:
            value, reason = found.refused[0]
            words = f"{len(found.refused)} grid values, the first {value:.4g}: {reason}"
            table.add_row(found.driver, "refused", words)
    return table


def law_reading(found: Comparison) -> str:
    """Say in words what the tables show."""
    law = found.law
    near = {
        "attracts": "M attracts from nearby",
        "repels": "M repels: differences grow near it",
        "undecided": "whether M attracts is within the law's error",
    }[law.attraction]
    words = f"M has rank {law.rank}: {span_words(law.rank, len(law.rates))}. {near}: d_M changes "
    words += f"by a factor {law.rate:.6g} a layer +- {law.error:.1g} in the limit "
    words += f"({', '.join(dict.fromkeys(law.methods))}), and d_M / |H| by {law.relative_rate:.6g}."
    words += " That is about small differences on this orbit, and says nothing about tokens far "
    words += "apart."
    if law.rank > 1:
        words += " " + consensus_words(max(law.rate, law.along), law.rank)
    if law.slowest is not None:
        words += f" The slowest mode has eigenvalue {eigenvalue_words(law.slowest)}."
    if law.undecided:
        words += f" {law.undecided} modes keep eigenvalue 1 between closed classes."
    gap = found.equal_depth_gap
    words += (
        f"\nAt equal depth simulation and linear law differ by {gap:.1g} of the rate (rounding "
        f"may be {found.equal.error:.1g})."
    )
    if law.gap == 0:
        words += " No gap to the next mode, or it turns: the limit is reached slowly."
    below = "is below" if found.limit_v_sup < 1 else "is not below"
    return words + (
        f"\nlaw <= sharp theorem <= theorem: {found.ordering}. sup v = {found.limit_v_sup:.4g} "
        f"{below} 1 on this orbit."
    )


def eigenvalue_words(value: complex) -> str:
    """Return an eigenvalue with four digits, without an imaginary part that is none."""
    value = complex(value)
    if abs(value) < 1e-12:
        return "0"
    if abs(value.imag) < 1e-12:
        return f"{value.real:.4g}"
    return f"{value.real:.4g}{value.imag:+.4g}i"


def _modes(law: LawReport) -> list[tuple[complex, float, float, float, int]]:
    """Return (eigenvalue, rate, error, finite rate, copies), eigenvalues that agree once."""
    found: dict[tuple[complex, int], tuple[complex, float, float, float, int]] = {}
    rows = zip(law.eigenvalues, law.rates, law.errors, law.finite_rates, law.component, strict=True)
    for mu, rate, error, finite, component in rows:
        value = complex(mu)
        key = (complex(round(value.real, 10), round(abs(value.imag), 10)), int(component))
        copies = found[key][-1] + 1 if key in found else 1
        first = found.get(key, (value, float(rate), float(error), float(finite), 0))
        found[key] = (*first[:-1], copies)
    return list(found.values())


def _complex(value: complex | None) -> list[float] | None:
    return None if value is None else [float(np.real(value)), float(np.imag(value))]


def _table(title: str) -> Table:
    return Table(
        title=title or None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        caption_justify="left",
    )


def _layers(window: Window) -> str:
    return f"{window.first} .. {window.last}"


def _numbers(window: Window, law: float, error: float) -> tuple[str, ...]:
    rates = (f"{window.simulated:.6g}", f"{law:.6g}", number(error))
    return (*rates, number(window.v_sharp), number(window.v))
