"""What is a theorem: data that can be false, with what makes instances and what breaks it?"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal

import numpy as np

from theory.arrays import Array, InputError
from theory.records import brief_repr
from theory.statements.domains import Domain, draw
from theory.statements.instances import Instance
from theory.statements.real_layer import RealLayer


@brief_repr
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


@brief_repr
@dataclass(frozen=True)
class Theorem(Generic[Instance]):
    """A claim lhs <= rhs about all instances that meet the hypotheses; data that can be false.

    ``claim`` is LaTeX, ``source`` a key of references.bib, or "derived" with the proof in the
    note. ``rounding`` bounds, in float64, how far rounding alone can lift lhs above rhs; its
    function says where each term comes from. A ``tight`` theorem has a ``witness`` that reaches
    equality, and one with ``expected`` "refuted" a witness that breaks it and the
    ``correction``. ``outside`` breaks a hypothesis, and then the claim fails too. ``domain``
    makes instances that meet the hypotheses; ``batch`` reads the batch axes of an instance.
    ``from_layers`` makes instances of the layers of a trained model, if these have what the claim
    is about. ``scale`` is what rounding has to stay below for a verdict to say anything; None is
    rhs.
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
    from_layers: Callable[[Sequence[RealLayer]], Iterable[Instance]] | None = None

    def __post_init__(self) -> None:
        refuted = self.expected == "refuted"
        if self.tight and refuted:
            raise InputError(f"{self.key}: a claim that is refuted is not tight")
        if self.witness is None and (self.tight or refuted):
            kind = "tight=True" if self.tight else "expected='refuted'"
            does = "reaches equality" if self.tight else "breaks the claim"
            raise InputError(
                f"{self.key}: {kind} needs a witness, a function without arguments that returns "
                f"an instance that {does}"
            )
        if bool(self.correction) != refuted:
            raise InputError(
                f"{self.key}: a correction belongs to expected='refuted', and to that alone"
            )

    @cached_property
    def about(self) -> type[Instance]:
        """The class of the instances that the theorem speaks of."""
        return type(draw(self.domain, np.random.default_rng(0)).instance)
