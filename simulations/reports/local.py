"""How do bounds on balls around a text's tokens become JSON, a table and sentences?"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from simulations.instruments.local import LayerBound
from simulations.reports.tables import number


def local_json(found: Sequence[LayerBound]) -> list[dict[str, Any]]:
    """Return one object a text, layer and radius; infinities become null later."""
    return [
        {"text": each.text, "layer": each.layer, "tokens": each.tokens, "v": each.v}
        | asdict(bound)
        | {"factor": bound.factor, "contracts": bound.contracts, "applies": bound.applies}
        | ({} if each.reached is None else {"reached": each.reached[i]})
        for each in found
        for i, bound in enumerate(each.bounds)
    ]


def local_table(found: Sequence[LayerBound], *, title: str) -> Table:
    """Return a table with a row for each text, layer and radius."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    some = any(each.reached is not None for each in found)
    names = ["text", "layer", "n", "radius", "ratio", "reached", "bound", "factor", "contracts"]
    names += ["saturation", "v"]
    for name in names:
        if name != "reached" or some:
            table.add_column(name, justify="right", no_wrap=True)
    for each in found:
        for i, bound in enumerate(each.bounds):
            row = [str(each.text), str(each.layer), str(each.tokens), f"{bound.radius:g}"]
            row.append(f"{bound.ratio:.4f}")
            if each.reached is not None:
                row.append(f"{each.reached[i]:.4f}")
            row += [above(bound.bound), above(bound.factor)] if bound.applies else ["-", "-"]
            row.append(_contracts(bound.applies, bound.contracts))
            row += [above(bound.saturation) if bound.applies else "-", number(each.v)]
            table.add_row(*row)
    return table


def above(value: float) -> str:
    """Return four digits behind the point, rounded up: what is proved of the number is so of it."""
    shown = f"{value:.4f}"
    return shown if float(shown) >= value else f"{value + 1e-4:.4f}"


def _contracts(applies: bool, contracts: bool) -> str:
    if not applies:
        return "does not apply"
    return "proved" if contracts else "not proved"


def local_reading(found: Sequence[LayerBound]) -> str:
    """Say in words what the table shows."""
    words = (
        "The bound holds for every H' in which each token is within radius times its own length of "
        "the model's: d_M(F(H')) <= bound d_M(H'). Every rounding is counted; it is computed, and "
        "there is no certificate that another program could replay."
    )
    every = [bound for each in found for bound in each.bounds]
    proved = sum(bound.contracts for bound in every)
    words += (
        f" That all of the ball comes nearer to consensus is proved in {proved} of {len(every)}."
    )
    beyond = sum(not bound.applies for bound in every)
    if beyond:
        words += f" In {beyond} the ball may hold consensus itself, and the bound does not apply."
    words += " v belongs to the given tokens alone."
    return words
