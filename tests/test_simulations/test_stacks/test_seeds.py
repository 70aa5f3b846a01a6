"""The same seed and key give the same numbers, and nothing else does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.stacks.seeds import generator
from theory.arrays import InputError

KEYS = st.lists(st.integers(-5, 5) | st.text(max_size=3), max_size=3)


def raw(seed: int, *key: str | int) -> list[int]:
    """Return bits: unlike numbers of a distribution, NumPy promises them for ever."""
    drawn = generator(seed, *key).bit_generator.random_raw(4)
    return [int(number) for number in drawn]


@given(seed=st.integers(0, 2**70), key=KEYS)
def test_the_same_seed_and_key_give_the_same_numbers(seed: int, key: list[str | int]) -> None:
    assert raw(seed, *key) == raw(seed, *key)


@given(one=st.tuples(st.integers(0, 9), KEYS), two=st.tuples(st.integers(0, 9), KEYS))
def test_another_seed_or_key_gives_other_numbers(
    one: tuple[int, list[str | int]], two: tuple[int, list[str | int]]
) -> None:
    assert (raw(one[0], *one[1]) == raw(two[0], *two[1])) == (one == two)


def test_a_number_is_no_text_and_parts_do_not_run_together() -> None:
    keys: list[tuple[str | int, ...]]
    keys = [("1",), (1,), ("1", ""), ("", "1"), (1, 1), (11,), ("1,1",), ("block", 2), ("block2",)]
    assert len({tuple(raw(0, *key)) for key in keys}) == len(keys)


def test_published_numbers_can_be_drawn_again() -> None:
    # What all stored figures were drawn from: a change here changes every one of them.
    assert raw(0, "block", 1) == [
        7358943994495957343,
        8527178954274031229,
        2211241848519542376,
        4642520334318479572,
    ]


def test_the_numbers_of_two_seeds_are_not_correlated() -> None:
    draws = np.stack([generator(seed, "tokens").standard_normal(4000) for seed in range(4)])
    correlations = np.asarray(np.corrcoef(draws))[~np.eye(4, dtype=bool)]
    assert np.abs(correlations).max() < 5 / np.sqrt(4000)  # five standard deviations


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed must not be negative, but is -1"):
        generator(-1)
