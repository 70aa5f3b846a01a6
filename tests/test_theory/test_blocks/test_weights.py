"""Are weights, tokens and masks that do not fit a block named?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import InputError
from theory.blocks.forward import apply_block, attention_adjacency, feed_forward
from theory.blocks.weights import Attention, FeedForward


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((4, 4)), "mask must be boolean, but has dtype float64"),
        (np.ones((4, 4), dtype=np.int64), "mask must be boolean"),
        (np.ones(4, dtype=bool), "mask must have shape"),
        (np.zeros((4, 4), dtype=bool), "mask must leave every token at least one"),
        (np.triu(np.ones((4, 4), dtype=bool), 1), "mask must leave every token at least one"),
        (np.ones((3, 3), dtype=bool), r"mask must have shape .* \(3, 3\)"),
        (np.ones((4, 3), dtype=bool), r"mask must have shape .* \(4, 3\)"),
        (np.ones((3, 4), dtype=bool), r"mask must have shape .* \(3, 4\)"),
    ],
)
def test_a_bad_mask_is_named(mask: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply_block(random_block(0), random_tokens(0, 4, 6), mask=mask)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.ones((4, 5)), r"tokens must have shape \(..., n, 6\), but has \(4, 5\)"),
        (np.ones(6), "tokens must have shape"),
        (np.ones((4, 6), dtype=int), "tokens must have dtype float32 or float64"),
        (np.ones((4, 6), dtype=np.float16), "tokens must have dtype .* float16"),
    ],
)
def test_tokens_that_do_not_fit_the_block_are_named(tokens: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply_block(random_block(0), tokens)


MISFITS: dict[str, dict[str, tuple[int, ...]]] = {
    "attention": {
        "value": (2, 6, 4),
        "output": (3, 3, 6),
        "query": (1, 6, 3),
        "key": (2, 6, 4),
        "query_bias": (1, 3),
        "key_bias": (2, 1),
        "bias": (1,),
    },
    "feed_forward": {"weight_in": (3, 8), "weight_out": (6, 6), "bias_in": (1,), "bias_out": (8,)},
    **{f"norm_{name}": {"gain": (1,), "shift": (5,)} for name in ("1", "2", "1_out", "2_out")},
}


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, names in MISFITS.items() for name in names]
)
def test_weights_that_do_not_fit_are_named(part: str, name: str) -> None:
    block = random_block(0)
    wrong = replace(getattr(block, part), **{name: np.ones(MISFITS[part][name])})
    # A value matrix of another head width is seen at the output matrix, which no longer fits.
    named = "attention.output" if name == "value" else f"{part}.{name}"
    with pytest.raises(InputError, match=rf"{named} must have shape"):
        apply_block(replace(block, **{part: wrong}), random_tokens(0, 4, 6))


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 4), (4, 4), (2, 3, 3), (2, 4, 3), (2, 1, 4)])
def test_an_adjacency_must_have_every_head_and_every_token(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"adjacency must have shape \(..., 2, 4, 4\)"):
        apply_block(random_block(0), random_tokens(0, 4, 6), adjacency=np.ones(shape))


def test_batches_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match=r"attention.value must have batch axes that fit \(2,\)"):
        apply_block(random_block(0, batch=(3,)), random_tokens(0, 2, 4, 6))


def test_attention_without_query_and_key_asks_for_the_weights() -> None:
    bare = Attention(query=None, key=None, value=np.eye(6)[None])
    with pytest.raises(InputError, match="adjacency"):
        attention_adjacency(bare, random_tokens(0, 4, 6))
    with pytest.raises(InputError, match="query and key"):
        _ = bare.score_scale


def test_comparing_layers_asks_who_they_are_and_never_raises() -> None:
    one, other = (random_block(0, eps=0.1) for _ in range(2))
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("attention", "norm_1")]
    for a, b in [(one, other), (one.feed_forward, other.feed_forward), *pairs]:
        assert a == a
        assert a != b
        assert len({a, b}) == 2


def test_an_unknown_placement_is_refused() -> None:
    with pytest.raises(InputError, match=r"placement must be 'post'.* 'peri'"):
        replace(random_block(0), placement="peri")  # type: ignore[arg-type]  # that is the point


def test_an_unknown_activation_is_refused_when_it_is_needed() -> None:
    ffn = FeedForward(np.ones((2, 2)), np.ones((2, 2)), activation="swiglu")
    with pytest.raises(InputError, match=r"activation .*'swiglu'"):
        feed_forward(ffn, np.ones((3, 2)))
