"""What is certain of a theorem, rounding included: on its first draws, and on its witness?"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from theory.balls.verdicts import CertifiedVerdict, certify, certify_built
from theory.records import brief_repr
from theory.statements.domains import Sample
from theory.statements.instances import member
from theory.statements.theorem import Theorem

DRAWS = 8
"""How many draws are certified at most: a draw takes from 5 to 100 ms."""


@brief_repr
@dataclass(frozen=True)
class Certification:
    """How many draws of a theorem have which outcome for certain, and how many stay open.

    ``draws`` counts the outcomes, in the words of `CertifiedVerdict.words`, and says of which
    numbers where these are not the draw's, built in exact arithmetic. ``witness`` is the verdict on
    the instance that refutes a claim as stated, None where none is expected to.
    """

    draws: Mapping[str, int]
    witness: CertifiedVerdict | None

    def agrees(self, expected: Literal["holds", "refuted"]) -> bool:
        """Whether nothing that is certain is unexpected."""
        if expected == "holds":
            return not any(words.startswith("refuted") for words in self.draws)
        return self.witness is not None and self.witness.words == "refuted, certified"

    def as_json(self) -> dict[str, Any]:
        """Return the counts and the witness's verdict by name."""
        witness = None if self.witness is None else self.witness.as_json()
        return {"draws": dict(self.draws), "witness": witness}

    def __str__(self) -> str:
        told = [f"{count} {words}" for words, count in self.draws.items()]
        return "; ".join([*told, *([f"witness {self.witness.words}"] if self.witness else [])])


def certify_draws(theorem: Theorem[Any], batch: Sample[Any]) -> Certification:
    """Certify a theorem on the first draws of a batch, and on the witness that refutes it.

    A draw is built anew, in exact arithmetic; where that does not decide, as for functions that
    work in float64, it is taken as float64 built it.

    Raises: InputError without python-flint
    """
    members = min(DRAWS, *(values.shape[0] for values in batch.params.values()))
    counts = Counter(_draw(theorem, batch, i) for i in range(members))
    refuting = theorem.witness if theorem.expected == "refuted" else None
    witness = None if refuting is None else certify(theorem, refuting())
    return Certification(dict(counts.most_common()), witness)


def _draw(theorem: Theorem[Any], batch: Sample[Any], i: int) -> str:
    params = {name: values[i] for name, values in batch.params.items()}
    found = certify_built(theorem, batch.sizes, params)
    if found.outcome == "undecided":
        plain = certify(theorem, member(batch.instance, (i,)))
        if plain.outcome == "holds":
            return f"{plain.words} as float64 built it"
    return found.words
