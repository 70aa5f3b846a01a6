"""Do the limits of a tokenizer hold, and are texts that are too short for a measure named?"""

import json
from pathlib import Path

import pytest

from simulations.instruments.analysis import analyze
from simulations.models import encode, load_checkpoint
from simulations.models.tokens import Line
from tests.test_simulations.helpers.tiny_folder import write_folder
from theory.arrays import InputError

GENERIC = {"tokenizer_class": "PreTrainedTokenizerFast"}
TEXT = "a graph of tokens fades slowly"


def write(folder: Path, **settings: object) -> Path:
    write_folder(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(GENERIC | settings))
    return folder


@pytest.mark.parametrize(
    ("settings", "pieces"),
    [
        ({"model_max_length": 5}, ("[CLS]", "a", "graph", "of", "[SEP]")),
        ({"max_len": 5}, ("[CLS]", "a", "graph", "of", "[SEP]")),
        (
            {"model_max_length": 5, "truncation_side": "left"},
            ("[CLS]", "tokens", "fades", "slowly", "[SEP]"),
        ),
        ({"model_max_length": 1e30}, ("[CLS]", *TEXT.split(), "[SEP]")),
    ],
)
def test_a_text_is_as_long_as_the_tokenizer_lets_it(
    settings: dict[str, object], pieces: tuple[str, ...], tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(write(tmp_path, **settings))
    if len(pieces) == 5:
        with pytest.warns(UserWarning, match="longer than the 5 tokens"):
            assert encode(checkpoint, [TEXT]).pieces == (pieces,)
    assert analyze(checkpoint, [TEXT]).encoded.pieces == (pieces,)


def test_who_asks_for_more_than_the_tokenizer_says_gets_it(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write(tmp_path, model_max_length=5))
    assert encode(checkpoint, [TEXT], max_length=16).ids.shape == (1, 8)


def test_a_text_with_one_token_to_measure_is_named(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write(tmp_path))
    texts = [TEXT, Line("slowly", 7)]
    assert analyze(checkpoint, texts).encoded.ids.shape == (2, 8)
    message = r"^texts\[1\] \(line 7 of the file\) must have at least 2 tokens .* has 1"
    with pytest.raises(InputError, match=message):
        analyze(checkpoint, texts, skip_special=True)
