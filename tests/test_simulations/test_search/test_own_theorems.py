"""A theorem of one's own, written in plain numpy, goes through every search."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from simulations.search.adversary import attack
from simulations.search.counterexamples import replay
from simulations.search.theorem import verify_theorem
from theory.arrays import Array, InputError
from theory.extended.verdicts import recheck
from theory.statements.domains import Domain, Free, draw
from theory.statements.sizes import Length
from theory.statements.theorem import Theorem


@dataclass(frozen=True)
class Own:
    """Tokens (*b, n, d)."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d"}
    tokens: Array


DOMAIN = Domain(
    sizes={"n": Length(2, 4), "d": Length(1, 3)},
    free={"tokens": Free("tokens", ("n", "d"))},
    make=lambda sizes, params: Own(params["tokens"]),
)


def _length(tokens: Array) -> Array:
    return np.linalg.norm(tokens, axis=(-2, -1))


def _claim(factor: float) -> Theorem[Own]:
    """Say that centred tokens are at most so many times as long: true from 1 on."""
    return Theorem(
        key="own",
        claim=r"|H - 1 \bar h^T| \le c |H|",
        source="derived",
        domain=DOMAIN,
        lhs=lambda own: _length(own.tokens - own.tokens.mean(axis=-2, keepdims=True)),
        rhs=lambda own: factor * _length(own.tokens),
        rounding=lambda own: 1e-12 * _length(own.tokens),
        note="Centring is an orthogonal projection.",
    )


@pytest.mark.parametrize(("factor", "status"), [(1.0, "holds"), (0.9, "refuted")])
def test_plain_numpy_is_verified_and_attacked_alike(factor: float, status: str) -> None:
    assert verify_theorem(_claim(factor), trials=64).status == status
    found = attack(_claim(factor), budget=300)
    assert found.status == status
    assert found.rechecked is None  # there are no more digits to be had of numpy
    assert found.ratio == pytest.approx(1 / factor, rel=1e-6)


def test_what_an_attack_found_is_replayed_with_the_theorem_at_hand() -> None:
    claim = _claim(0.9)
    example = attack(claim, budget=300).example
    assert example is not None
    assert replay(example, claim).refuted
    with pytest.raises(InputError, match=r"must be given: .* 'own'"):
        replay(example)


def test_a_recheck_says_what_plain_numpy_lacks() -> None:
    sample = draw(DOMAIN, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"own cannot be computed with more digits.*namespace"):
        recheck(_claim(1.0), sample.sizes, sample.params)


def test_a_domain_of_plain_numpy_is_told_of_too() -> None:
    domain = Domain(DOMAIN.sizes, DOMAIN.free, lambda sizes, params: Own(np.abs(params["tokens"])))
    claim = Theorem(
        key="own",
        claim="0 <= 1",
        source="derived",
        domain=domain,
        lhs=lambda own: 0 * own.tokens[..., 0, 0],
        rhs=lambda own: 1 + 0 * own.tokens[..., 0, 0],
        rounding=lambda own: 1e-12 + 0 * own.tokens[..., 0, 0],
    )
    sample = draw(domain, np.random.default_rng(0))
    with pytest.raises(InputError, match="more digits"):
        recheck(claim, sample.sizes, sample.params)
    assert attack(claim, budget=300).status == "holds"
