"""What is kept of one theorem or trend: what it says, and what the searches found?"""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj

from paper_figures.sources.real_layers import layer_verdicts
from paper_figures.sources.typical import typical_verdict
from paper_figures.workshop.bibliography import cite
from paper_figures.workshop.data import Record, Values
from paper_figures.workshop.drawing import circle
from simulations.machine.json import finite
from simulations.search.adversary import Attack, attack
from simulations.search.counterexamples import Counterexample
from simulations.search.theorem import Report, verify_theorem
from simulations.search.trend import verify_trend
from simulations.stacks.seeds import generator
from theory.statements.evaluation import check
from theory.statements.real_layer import RealLayer
from theory.statements.theorem import Theorem
from theory.statements.trend import Trend
from theory.statements.verdict import Verdict
from theory.theorems.block.input import BlockInput


def theorem_record(
    theorem: Theorem[Any],
    *,
    layers: list[RealLayer],
    seed: int,
    trials: int,
    budget: int,
    members: int,
) -> Record:
    """Search for the worst instances of a theorem and check typical ones; plain JSON values.

    What is not a finite number is None: a ratio whose right side is zero, or what was not tried.
    """
    found = verify_theorem(theorem, trials=trials, seed=seed)
    attacked = attack(theorem, budget=budget, seed=seed)
    typical = typical_verdict(theorem, generator(seed, "typical", theorem.key), members=members)
    return {
        **_statement(theorem),
        "kind": "inequality",
        "hypotheses": [hypothesis.name for hypothesis in theorem.hypotheses],
        "tight": theorem.tight,
        "equality": _is_equality(found, attacked),
        "status": _status(found, attacked),
        "random": _searched(found),
        "attack": _attacked(attacked),
        "witness": _witnessed(theorem),
        "typical": _spread([] if typical is None else [typical]),
        "layers": _spread(layer_verdicts(theorem, layers)),
        "example": None if attacked.example is None else _example(theorem, attacked.example),
    }


def trend_record(trend: Trend, *, seed: int) -> Record:
    """Judge a trend; plain JSON values."""
    found = verify_trend(trend, seed=seed)
    record = {name: value for name, value in found.as_json().items() if name != "seconds"}
    return {**_statement(trend), **record, "hypotheses": list(trend.hypotheses)}


def _statement(statement: Theorem[Any] | Trend) -> Record:
    names = ("key", "claim", "source", "expected", "correction", "note")
    record = {name: getattr(statement, name) for name in names}
    return {**record, "citation": cite(statement.source)}


def _status(found: Report, attacked: Attack) -> str:
    """Refuted if any search refutes it, or the witness that belongs to it."""
    both = {found.status, attacked.status}
    return next(word for word in ("refuted", "holds", "does not apply") if word in both)


def _is_equality(found: Report, attacked: Attack) -> bool:
    """Whether the right side is zero, so that a ratio compares the left one with rounding."""
    example = attacked.example
    return found.status == "holds" and found.rhs == 0 and example is not None and example.rhs == 0


def _searched(found: Report) -> Record:
    names = ("trials", "applied", "decided", "refuted")
    record = {name: getattr(found, name) for name in names}
    return {**record, "ratio": finite(found.ratio), "unbounded": found.ratio == math.inf}


def _attacked(found: Attack) -> Record:
    names = ("budget", "evaluations", "applied", "refuted_after", "rechecked", "rounding_only")
    return {
        **{name: getattr(found, name) for name in names},
        "ratio": finite(found.ratio),
        "example_ratio": finite(found.example_ratio),
        "unbounded": found.ratio == math.inf,
        "shortfall": found.shortfall,
    }


def _witnessed(theorem: Theorem[Any]) -> float | None:
    """The ratio at the witness that comes with a theorem; the searches do not know it."""
    if theorem.witness is None:
        return None
    return finite(float(np.max(check(theorem, theorem.witness()).ratio)))


def _spread(verdicts: list[Verdict]) -> Record | None:
    """Median and largest ratio over the instances that the theorem applies to."""
    ratios = [np.ravel(verdict.ratio[verdict.applies]) for verdict in verdicts]
    joined = np.concatenate(ratios) if ratios else np.zeros(0)
    joined = joined[np.isfinite(joined)]
    if not joined.size:
        return None
    above = int(sum(int(verdict.refuted.sum()) for verdict in verdicts))
    median, largest = float(np.median(joined)), float(joined.max())
    return {"count": joined.size, "median": median, "largest": largest, "refuted": above}


def _example(theorem: Theorem[Any], example: Counterexample) -> Record:
    """The instance as the theorem sees it, and the free numbers that rebuild it exactly."""
    instance = example.instance(theorem)
    arrays = [
        {"name": name, "values": np.asarray(value).tolist()}
        for name, value in _parts(instance)
        if is_array_api_obj(value)
    ]
    choices = {name: value for name, value in _parts(instance) if isinstance(value, int | str)}
    graph = _graph(instance)
    return {
        "claim": example.claim,
        "sizes": dict(example.sizes),
        "params": {name: values.tolist() for name, values in example.params.items()},
        "lhs": example.lhs,
        "rhs": example.rhs,
        "rounding": example.rounding,
        "arrays": arrays,
        "choices": choices,
        "graph": None if graph is None else graph.tolist(),
        "places": None if graph is None else circle(len(graph)).tolist(),
    }


def _parts(instance: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every field of an instance that is no dataclass itself, with its dotted name."""
    for field in fields(instance):
        value, name = getattr(instance, field.name), f"{prefix}{field.name}"
        if is_dataclass(value):
            yield from _parts(value, f"{name}.")
        elif value is not None:
            yield name, value


def _graph(instance: Any) -> Values | None:
    """Who listens to whom, in the first head or step: (n, n); None where nobody listens."""
    if isinstance(instance, BlockInput):
        weights = np.asarray(instance.step.adjacency)
    elif is_array_api_obj(getattr(instance, "adjacency", None)):
        weights = np.asarray(instance.adjacency)
    else:
        return None
    first: Values = weights.reshape(-1, *weights.shape[-2:])[0]
    return first if 1 < len(first) <= 8 else None
