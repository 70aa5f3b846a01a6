"""Are settings of positions read, and those refused that are not computed here?"""

import math
from pathlib import Path
from typing import Any

import pytest

from simulations.models.rotary import read_frequencies
from theory.arrays import InputError

PATH = Path("config.json")


def frequencies(part: float = 1.0, **settings: Any) -> tuple[float, ...]:
    return read_frequencies(PATH, settings, 8, part=part)


def test_old_and_new_settings_say_the_same() -> None:
    new = frequencies(rope_parameters={"rope_type": "default", "rope_theta": 100.0})
    assert new == frequencies(rope_theta=100) == frequencies(rotary_emb_base=100, rope_scaling=None)
    assert new == pytest.approx([1, 100**-0.25, 0.1, 100**-0.75])
    assert frequencies(rotary_pct=0.5) == frequencies(part=0.5) == (1.0, 0.01)
    slower = frequencies(rope_theta=100, rope_scaling={"type": "linear", "factor": 2})
    assert slower == pytest.approx([each / 2 for each in new])


def test_slow_turns_are_stretched_and_fast_ones_kept() -> None:
    said = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0}
    said |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 100}
    plain, found = frequencies(rope_theta=1e4), frequencies(rope_parameters=said)
    assert found[0] == plain[0]
    assert found[2:] == pytest.approx([each / 8 for each in plain[2:]])
    turns = 100 * plain[1] / (2 * math.pi)
    mixed = (turns - 1) / 3
    assert found[1] == pytest.approx(plain[1] * (mixed + (1 - mixed) / 8))


def test_a_head_of_thousands_of_millions_is_not_waited_for() -> None:
    with pytest.raises(InputError, match="must turn at most 32768 pairs"):
        read_frequencies(PATH, {}, 2**31 - 2, part=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rope_scaling": {"type": "yarn", "factor": 2}}, "rope_type must be one of .*'yarn'"),
        ({"rope_scaling": {"type": "linear"}}, "factor must be a number above 0, but is nan"),
        ({"rope_parameters": [1]}, "rope_parameters must be an object"),
        ({"rope_theta": 1}, "rope_theta must be a number above 1, but is 1"),
        ({"rope_theta": "1e4"}, "rope_theta must be a number above 1"),
        ({"rope_theta": True}, "rope_theta must be a number"),
        ({"rotary_pct": 0.4}, "in pairs, but 3 of the 8"),
    ],
)
def test_what_is_not_computed_here_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frequencies(**settings)
