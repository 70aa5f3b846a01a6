"""Is a bad field of a stack refused by name?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.arrays import InputError

SMALL = Stack(depth=3, tokens=5, width=12, heads=3, ffn_width=20)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depth", 0),
        ("tokens", 0),
        ("tokens", 1),
        ("width", 0),
        ("heads", 0),
        ("heads", -2),
        ("rank", 0),
        ("ffn_width", -1),
        ("weights", "uniform"),
        ("initial", "equal"),
        ("activation", "swish"),
        ("norm", "batch"),
        ("placement", "peri"),
        ("value_gain", float("nan")),
        ("score_gain", float("inf")),
        ("ffn_gain", float("nan")),
        ("bias_std", float("inf")),
        ("norm_gain", float("nan")),
        ("residual", float("-inf")),
        ("residual_attention", float("nan")),
        ("residual_ffn", float("inf")),
        ("gated", 1),
        ("ln_eps", -1.0),
        ("ln_eps", float("nan")),
        ("tau", 0.0),
        ("tau", float("nan")),
        ("fixed_std", -1.0),
        ("bias_std", -1.0),
        ("rank", 13),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"{field} must .*but is '?{value}"):
        replace(SMALL, **{field: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gated": True, "ffn_width": 0}, "gated must be left out where ffn_width is 0"),
        ({"placement": "parallel", "residual_ffn": 0.5}, "residual_ffn must be left out where pl"),
        (
            {"residual": 0.5, "residual_attention": 1.0, "residual_ffn": 2.0},
            "residual must be left out where every sum has its own, but is 0.5",
        ),
        (
            {"residual": 0.5, "residual_attention": 1.0, "placement": "parallel"},
            "residual must be left out",
        ),
    ],
)
def test_a_setting_that_another_would_silence_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)
    assert replace(SMALL, residual=0.5, residual_attention=1.0).residual_scale("2") == 0.5


@pytest.mark.parametrize("name", ["tau", "fixed_std"])
def test_without_a_norm_its_std_cannot_be_set(name: str) -> None:
    assert replace(SMALL, norm="none").norm == "none"
    with pytest.raises(InputError, match=f"{name} must be left out where norm is none"):
        replace(SMALL, norm="none", **{name: 2.0})  # type: ignore[arg-type]  # a plain str


def test_heads_that_do_not_divide_the_width_are_refused_with_both_numbers() -> None:
    with pytest.raises(InputError, match="width must be a multiple of heads, but is 12 for 5"):
        replace(SMALL, heads=5)


@pytest.mark.parametrize("seeds", [range(0), range(5, 5), range(3, 1)])
def test_no_seed_is_refused(seeds: range) -> None:
    with pytest.raises(InputError, match="seeds"):
        next(draw_blocks(SMALL, seeds=seeds))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed must not be negative"):
        next(draw_blocks(SMALL, seeds=range(-1, 1)))
    with pytest.raises(InputError, match="seed must not be negative"):
        draw_tokens(SMALL, seeds=range(-1, 1))


@pytest.mark.parametrize("name", ["depth", "tokens", "width", "heads", "rank", "ffn_width"])
@pytest.mark.parametrize("value", [2.5, 4.0, "4", None, True, np.asarray(4)])
def test_a_count_that_is_no_whole_number_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name} must be a whole number, but is"):
        replace(Stack(), **{name: value})


@pytest.mark.parametrize(
    "name", ["score_gain", "residual", "residual_ffn", "bias_std", "ln_eps", "tau", "fixed_std"]
)
@pytest.mark.parametrize("value", ["2", [2.0], 2j])
def test_a_scale_that_is_no_number_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name} must be a number, but is"):
        replace(Stack(), **{name: value})
