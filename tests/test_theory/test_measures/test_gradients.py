"""The measures can be trained on: right slopes, none at consensus, and torch.func takes them."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from theory import measures
from theory.arrays import Array, InputError, known
from theory.measures.subspace import consensus, partition

torch = pytest.importorskip("torch")
func = pytest.importorskip("torch.func")

N, D = 5, 3
FEW: Any = torch.zeros(1, dtype=torch.float64)
WEIGHTS = np.abs(np.random.default_rng(1).normal(size=(N, N)))

Measure = Callable[..., Array]
COUNTED: dict[str, Measure] = {
    name: getattr(measures, name)
    for name in (
        *("consensus_distance", "relative_distance", "dong_residual", "high_frequency_ratio"),
        *("mean_average_distance", "cosine_similarity", "token_diameter", "effective_rank"),
        *("stable_rank", "participation_rank", "rank_one_fraction", "largest_share"),
    )
}
COUNTED["dirichlet_energy"] = lambda tokens, **options: measures.dirichlet_energy(
    tokens, torch.asarray(WEIGHTS, dtype=tokens.dtype), **options
)


def _all_at_once(tokens: Array) -> Array:
    """Sum the columns of the table but for the norm, which does not say how unlike tokens are."""
    columns = measures.measure_tokens(tokens)[1:]
    return sum(weight * column for weight, column in enumerate(columns, start=1))


EVERY: dict[str, Measure] = {
    **COUNTED,
    "measure_tokens": _all_at_once,
    "distance to consensus": lambda tokens: measures.distance(consensus(N, like=FEW), tokens),
    "distance to a partition": lambda tokens: measures.distance(
        partition([0, 0, 1, 1, 1], like=FEW), tokens
    ),
}

every = pytest.mark.parametrize("name", EVERY)
counted = pytest.mark.parametrize("name", COUNTED)


def _tokens(*shape: int, seed: int = 0) -> Any:
    return torch.asarray(np.random.default_rng(seed).normal(size=shape))


def test_no_measure_of_tokens_is_left_out() -> None:
    known_others = {
        *("Subspace", "attention_entropy", "attention_similarity", "consensus", "distance"),
        *("general", "measure_tokens", "partition", "projective_diameter"),
    }
    assert set(COUNTED) | known_others == set(import_module("theory.measures").__all__)


@every
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    tokens = _tokens(N, D).requires_grad_()
    assert torch.autograd.gradcheck(EVERY[name], (tokens,))


@counted
def test_so_it_is_with_padding_and_padding_gets_none(name: str) -> None:
    mask = torch.asarray([True, True, False, True, True])
    tokens = _tokens(N, D).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: COUNTED[name](x, token_mask=mask), (tokens,))
    COUNTED[name](tokens, token_mask=mask).backward()
    assert not tokens.grad[2].any()


CONSENSUS = {
    "equal tokens": _tokens(1, D).expand(N, D).clone(),
    "whole numbers": torch.asarray([[1.0, -2.0, 4.0]], dtype=torch.float64).expand(N, D).clone(),
    "large": 1e200 * _tokens(1, D).expand(N, D),
    "tiny": 1e-200 * _tokens(1, D).expand(N, D),
}


@every
@pytest.mark.parametrize("where", CONSENSUS)
def test_at_consensus_the_gradient_is_zero(name: str, where: str) -> None:
    tokens = CONSENSUS[where].clone().requires_grad_()
    value = EVERY[name](tokens)
    value.backward()
    assert torch.isfinite(tokens.grad).all()
    # The distance to a subspace in general is rounding here, which has a slope of its own.
    if not name.startswith("distance to"):
        # Times the tokens, it is in units of the value; rounding may be left of n d terms.
        slope = (tokens.grad * tokens.detach()).abs().max()
        assert slope <= 8 * N * D * torch.finfo(torch.float64).eps


@every
def test_zero_tokens_among_others_leave_the_gradient_finite(name: str) -> None:
    tokens = _tokens(N, D)
    tokens[1] = 0
    tokens.requires_grad_()
    EVERY[name](tokens).backward()
    assert torch.isfinite(tokens.grad).all()


def _close(found: Any, wanted: Any) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14, equal_nan=True)


@every
def test_a_map_over_a_batch_is_the_loop(name: str) -> None:
    batch = _tokens(4, N, D)
    batch[1] = batch[1, :1]  # consensus, which needs no way of its own
    loop = torch.stack([EVERY[name](tokens) for tokens in batch])
    _close(func.vmap(EVERY[name])(batch), loop)


@counted
def test_a_map_over_tokens_and_masks_is_the_loop(name: str) -> None:
    batch = _tokens(3, N, D)
    masks = torch.asarray(
        [[True] * 5, [True, True, True, False, False], [False, True] * 2 + [True]]
    )

    def one(tokens: Any, mask: Any) -> Any:
        return COUNTED[name](tokens, token_mask=mask)

    loop = torch.stack([one(*each) for each in zip(batch, masks, strict=True)])
    _close(func.vmap(one)(batch, masks), loop)


@every
def test_transformations_compose(name: str) -> None:
    batch = _tokens(3, N, D)
    loop = torch.stack([func.jacrev(EVERY[name])(tokens) for tokens in batch])
    _close(func.vmap(func.jacrev(EVERY[name]))(batch), loop)
    _close(func.vmap(func.grad(EVERY[name]))(batch), loop)
    whole = func.jacrev(func.vmap(EVERY[name]))(batch)
    _close(torch.stack([whole[i, i] for i in range(3)]), loop)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
@pytest.mark.parametrize("name", ["relative_distance", "cosine_similarity", "stable_rank"])
def test_a_map_bears_every_scale(name: str, scale: float) -> None:
    batch = _tokens(3, N, D)
    _close(func.vmap(EVERY[name])(scale * batch), EVERY[name](batch))


def test_bad_tokens_are_refused_outside_a_map_and_nan_within() -> None:
    bad = torch.full((2, N, D), torch.nan, dtype=torch.float64)
    with pytest.raises(InputError, match="finite"):
        measures.relative_distance(bad)
    assert func.vmap(measures.relative_distance)(bad).isnan().all()


def test_attention_can_be_mapped_too() -> None:
    shares = torch.softmax(_tokens(3, 2, N, N), dim=-1)
    other = torch.softmax(_tokens(3, 2, N, N, seed=1), dim=-1)
    _close(func.vmap(measures.attention_entropy)(shares), measures.attention_entropy(shares))
    _close(
        func.vmap(measures.attention_similarity)(shares, other),
        measures.attention_similarity(shares, other),
    )


def test_only_what_nobody_can_look_at_is_unknown() -> None:
    assert known(np.asarray(True)) is True
    assert known(torch.asarray(False)) is False
    seen: list[bool | None] = []

    def look(x: Any) -> Any:
        seen.append(known(x > 0))
        return x

    func.vmap(look)(torch.ones(2))
    assert seen == [None]
    with pytest.raises(RuntimeError, match="ambiguous"):
        known(torch.ones(2))
