"""How the law of a pretrained model becomes JSON, tables and a few sentences."""

from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from simulations.law.model_tangents import SHRUNK
from simulations.law.models import ModelLaw
from simulations.numbers import Numbers, geometric_mean
from simulations.reports.tables import number

_SAME = 1e-6  # relative distance of two last tokens that are called the same
_SHOWN = 6  # starts, so that tables stay narrow


def model_json(found: ModelLaw) -> dict[str, Any]:
    """Return everything as one object; lists run over starts or texts, then over layers."""
    return {
        "model": found.name,
        "source": found.source,
        "weights_sha256": found.weights_sha256,
        "prefix": found.prefix,
        "synchronised": vars(found.synchronised),
        "trajectory": vars(found.tangent),
        "starts_end_the_same": _same(found.synchronised.ends),
        "ordering": "holds" if found.ordered else "fails",
    }


def model_tables(found: ModelLaw) -> list[Table]:
    """Return the rates at the synchronised state and along the real trajectories, by layer."""
    equal, real = found.synchronised, found.tangent
    layers = range(equal.v.shape[1])
    first = _table(f"{found.name}: growth of a random difference between equal tokens")
    for name in equal.starts[:_SHOWN]:
        first.add_column(name, justify="right", no_wrap=True)
    for name in ("largest", "v sharp", "v"):
        first.add_column(name, justify="right", no_wrap=True)
    for layer in layers:
        worst = (equal.largest, equal.v_sharp, equal.v)
        cells = [number(row[layer]) for row in equal.typical[:_SHOWN]]
        cells += [number(table[:, layer].max()) for table in worst]
        first.add_row(str(layer + 1), *cells)
    second = _table("along the inputs, their mean (v: largest)")
    headings = ("measured", "derivative", "law", "shrunk", "lambda_1", "v sharp", "v")
    for name in headings:
        second.add_column(name, justify="right", no_wrap=True)
    for layer in layers:
        means = (real.measured, real.own, real.law, real.near, np.exp(real.local[:, :, 0]))
        cells = [number(table[:, layer].mean()) for table in means]
        cells += [number(table[:, layer].max()) for table in (real.v_sharp, real.v)]
        second.add_row(str(layer + 1), *cells)
    return [first, second]


def model_reading(found: ModelLaw) -> str:
    """Say in words what the tables show, and on which orbits."""
    equal, real = found.synchronised, found.tangent
    measured, own, law = (_rate(table) for table in (real.measured, real.own, real.law))
    starts = ", ".join(equal.starts)
    ends = equal.ends[~np.eye(len(equal.ends), dtype=bool)]
    same = "end the same" if _same(equal.ends) else "do not end the same"
    exponents = ", ".join(number(x) for x in real.exponents.mean(axis=0))
    last = ", ".join(number(x) for x in equal.cumulative[:, -1])
    off = float(np.abs(real.near / real.law - 1).max())
    return (
        f"Synchronised orbits were started from: {starts}. They {same}: their last tokens are "
        f"{number(ends.min())} to {number(ends.max())} apart, relative to their norm. Over all "
        f"layers the worst difference grows by a factor a layer of {last}. The norm of the token "
        f"is {number(equal.sizes.min())} to {number(equal.sizes.max())} on the way.\n"
        f"Along the inputs ({real.lengths.min()} to {real.lengths.max()} tokens), factors a layer: "
        f"measured {measured}; of an input's own differences, by the layers' derivative {own}, "
        f"and by the law at its mean token {law}. Once they are shrunk to {SHRUNK:.1e} of that "
        f"token, no layer's own factor is further from the law than {number(off)} of it. Leading "
        f"finite-time Lyapunov exponents: {exponents} (the derivative is a centred difference, "
        f"right to {number(real.step_error.max())}).\n"
        "measured: d_M after a layer over before. derivative: what it makes of those same "
        "differences, transverse part. law: what equal tokens make of them. shrunk: d_M after over "
        "before, once they are all but zero. lambda_1: growth of the leading of several tangent "
        "vectors."
    )


def _same(ends: Numbers) -> bool:
    return bool((ends <= _SAME).all())


def _rate(factors: Numbers) -> str:
    return number(float(geometric_mean(factors)))


def _table(title: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("layer", justify="right", no_wrap=True)
    return table
