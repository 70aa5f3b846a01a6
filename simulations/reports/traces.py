"""How results become JSON and tables that people can read."""

import re
from collections.abc import Collection
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from simulations.instruments.trace import EXACT, SUBSPACE, Trace
from simulations.reports.bounds import envelope_words, smallest_words
from simulations.reports.one_token import (
    is_massive,
    largest_known,
    mean_of_known,
    ranges,
    warning,
    without_tables,
)
from simulations.reports.tables import count_words, number

# How many columns of a terminal need: the whole table with all bounds, without the last two, and
# the table of the blocks with and without these.
_WIDEST, _WIDE, _MIDDLE_ALL, _MIDDLE = 156, 138, 110, 92
_LAST = ("v_diameter", "saturation")

_NAME = re.compile(r"^block \d+ \(.*?\): ")  # tables count the blocks from 1
_NUMBER = re.compile(r"\d[\d.e+-]*")

# Columns of a trace's table: heading, group, name, how several texts or seeds are put together.
_COLUMNS = (
    ("CosSim", "tokens", "cosine_similarity", np.mean),
    ("d_M/|H|", "tokens", "relative_distance", np.mean),
    ("log10 d_M", "tokens", "log10_distance", np.mean),
    ("eff. rank", "tokens", "effective_rank", np.mean),
    ("share", "tokens", "largest_share", mean_of_known),
    ("lambda", "blocks", "lambda", np.max),
    ("s", "blocks", "s", np.max),
    ("sigma_1", "blocks", "sigma_1", np.min),
    ("sigma_2", "blocks", "sigma_2", np.min),
    ("v", "blocks", "v", np.max),
    ("v sharp", "blocks", "v_sharp", np.max),
    ("v stacked", "blocks", "v_stacked", np.max),
    ("v diam.", "blocks", "v_diameter", np.max),
    ("satur.", "blocks", "saturation", np.max),
    ("v secant", "blocks", "v_secant", largest_known),  # where the theorem does not apply
    ("ratio", "blocks", "measured_ratio", np.max),
)


def trace_json(trace: Trace) -> dict[str, Any]:
    """Return a trace as one object; lists run over layers, then over texts or seeds."""
    found: dict[str, Any] = {"tokens": dict(trace.tokens), "blocks": dict(trace.blocks)}
    found["warnings"] = [warned] if (warned := warning(trace)) else []
    if trace.reasons:
        found["reasons"] = list(trace.reasons)
    if (inequality := trace.inequality) is not None:
        found["inequality"] = inequality
        found["undecided"] = trace.undecided
        found["tier"] = "bracket" if (trace.blocks["s_excess"] > 0).any() else EXACT
    if (converges := trace.converges) is not None:
        found["converges"] = {
            "status": converges.distance,
            "alike": converges.alike,
            "bound": converges.bound,
            "after": converges.after,
            "form": converges.form,
            "reason": converges.reason,
        }
        found["log10_bound"] = trace.log10_bound
        found["subspace"], found["rank"] = SUBSPACE, 1
    return found


def trace_tables(trace: Trace, *, title: str, width: int) -> list[Table]:
    """Return one table with a row for each depth, or two where the terminal is too narrow.

    Row 0 is what enters the first block. The second of two tables has the blocks' numbers. One
    more says what is left without the largest token, where that makes more than half of d_M^2.
    """
    last = without_tables(trace, width=width) if is_massive(trace) else []
    if width >= _WIDE:
        less: tuple[str, ...] = () if width >= _WIDEST else _LAST
        return [trace_table(trace, title=title, without=less), *last]
    without: tuple[str, ...] = () if width >= _MIDDLE_ALL else _LAST
    without = without if width >= _MIDDLE else ("v_stacked", *_LAST)
    first = trace_table(trace, title=title, groups=("tokens",))
    return [first, trace_table(trace, groups=("blocks",), without=without), *last]


def trace_table(
    trace: Trace,
    *,
    title: str = "",
    groups: Collection[str] = ("tokens", "blocks"),
    without: Collection[str] = (),
) -> Table:
    """Return a table with a row for each depth; ``groups`` says which of a trace's two parts."""
    # Numbers that were cut short would be worse than a line that is too long.
    table = Table(
        title=title or None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("layer", justify="right", no_wrap=True)
    columns = [
        (heading, group, name, join)
        for heading, group, name, join in _COLUMNS
        if group in groups and name in getattr(trace, group) and name not in without
    ]
    for heading, *_ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    inequality = trace.inequality if "blocks" in groups else None
    if inequality is not None:
        table.add_column("bound", overflow="fold")
    for layer in range(0 if "tokens" in groups else 1, trace.depth + 1):
        cells = [str(layer)]
        for _, group, name, join in columns:
            row = layer if group == "tokens" else layer - 1
            cells.append(number(join(getattr(trace, group)[name][row])) if row >= 0 else "")
        if inequality is not None:
            cells.append(count_words(inequality[layer - 1]) if layer else "")
        table.add_row(*cells)
    return table


def reading(trace: Trace) -> str:
    """Say in words what the table's verdicts mean, the inequality and its implication apart."""
    inequality, converges = trace.inequality, trace.converges
    warned = warning(trace)
    warned = f"{warned}\n" * bool(warned) + _reasons(trace)
    if inequality is None or converges is None:
        return (
            f"{warned}No weights, so no v: the theorem has nothing to say about captured tokens "
            f"alone. Measured: {_measured(trace)}."
        )
    return (
        f"{warned}"
        f"M is {SUBSPACE}, of rank 1.\n"
        f"Inequality d_M(output) <= v d_M(input): {count_words(inequality)}.{_drowned(trace)} "
        f"{_product(trace)}\n"
        f"{smallest_words(trace)}"
        f"d_M -> 0 from any tokens, if the blocks go on: {converges.distance}; d_M / |H| -> 0: "
        f"{converges.alike} ({converges.reason}). "
        f"Measured: {_measured(trace)}.\n"
        "Verdicts are computed in float64 and use the upper end of v (v_upper in --json).\n"
        "Of several texts or seeds: mean of CosSim, distances, rank and share (of d_M^2, of the "
        "largest token); largest lambda, s, v and ratio; smallest sigma."
    )


def _reasons(trace: Trace) -> str:
    """Say of each block to which the theorem does not apply why; "" where it applies to all."""
    alike: dict[str, list[int]] = {}  # but for numbers, which are another block's
    for layer, reason in enumerate(trace.reasons):
        alike.setdefault(_NUMBER.sub("", _NAME.sub("", reason)), []).append(layer)
    lines = []
    for layers in (each for kind, each in alike.items() if kind):
        first = trace.reasons[layers[0]]
        differ = len({_NAME.sub("", trace.reasons[layer]) for layer in layers}) > 1
        which = f" (block {layers[0] + 1}; --json has the others)" if differ else ""
        told = ranges(np.array(layers) + 1, "block")
        lines.append(f"The theorem does not apply to {told}: {_NAME.sub('', first)}{which}.\n")
    if "v_secant" in trace.blocks:
        lines.append(
            "v secant has the largest ratio over pairs of these tokens in the place of the "
            "sublayer's Lipschitz constant: a measurement, and no bound.\n"
        )
    return "".join(lines)


def _measured(trace: Trace) -> str:
    """Say by how much d_M changes, the first block apart: what enters it may be small."""
    ratios = trace.blocks["measured_ratio"].reshape(trace.depth, -1)
    if np.isnan(ratios).all():
        return "the tokens are equal from the first block on"
    most = [number(np.max(row, where=~np.isnan(row), initial=0.0)) for row in ratios]
    if trace.depth == 1 or np.isnan(ratios[1:]).all():
        return f"d_M changes by at most a factor {most[0]}"
    others = number(np.nanmax(ratios[1:]))
    return f"d_M changes by at most a factor {most[0]} in the first block, {others} in the others"


def _product(trace: Trace) -> str:
    """Say what the theorem says about these tokens after all of these blocks."""
    log10, v = trace.log10_bound, trace.blocks["v_upper"].reshape(trace.depth, -1).max(axis=1)
    assert log10 is not None
    if without := int(np.isnan(v).sum()):
        return f"They bound no product: {without} of {trace.depth} blocks have no v."
    below = f"{(v < 1).sum()} of {trace.depth} blocks have v < 1"
    if not np.isfinite(np.max(log10)):
        return f"They bound no product: {below}."
    start, end = (np.mean(trace.tokens["relative_distance"][i]) for i in (0, -1))
    return (
        f"So after these {trace.depth} blocks d_M is at most 10^{np.max(log10):.1f} times what it "
        f"was ({below}), for these tokens only; d_M/|H| went from {start:.3g} to {end:.3g}."
        f"{envelope_words(trace)}"
    )


def _drowned(trace: Trace) -> str:
    """Say where the inequality holds by rounding alone, and what would tell more."""
    undecided = np.asarray(trace.undecided).reshape(trace.depth, -1).any(axis=1)
    if not undecided.any():
        return ""
    return (
        f" In {undecided.sum()} of {undecided.size} blocks rounding decides, being at least as "
        "large as v: use simulations.instruments.trace_centred, which keeps the digits of small "
        "distances."
    )
