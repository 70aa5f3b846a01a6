"""Do texts become the same tokens as AutoTokenizer makes, whatever the files beside it say?"""

import warnings
from pathlib import Path

import pytest

from simulations.models.checkpoint import tokenizer_of
from simulations.models.find import load_checkpoint
from simulations.models.tokens import encode
from tests.test_simulations.test_models.test_tokenizer.cases import CASES
from tests.test_simulations.test_models.test_tokenizer.newer_cases import NEWER
from tests.test_simulations.test_models.test_tokenizer.tiny import TEXTS, write_case
from theory.arrays import InputError

with warnings.catch_warnings():  # what it says while it is imported is no concern of ours
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore:.*are cut off:UserWarning")


EVERY = CASES | NEWER


@pytest.mark.parametrize("name", EVERY)
def test_every_text_becomes_the_tokens_of_auto_tokenizer(name: str, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_case(tmp_path, EVERY[name]))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    compared = 0
    for text in TEXTS:
        wanted = theirs(text, truncation=tokenizer_of(checkpoint).longest is not None)["input_ids"]
        if theirs(text, add_special_tokens=False)["input_ids"]:
            assert encode(checkpoint, [text]).ids.tolist() == [wanted], text
            compared += 1
        else:
            with pytest.raises(InputError, match="has no tokens"):
                encode(checkpoint, [text])
    assert compared >= len(TEXTS) - 3


def test_the_settings_and_texts_tell_tokenizers_apart(tmp_path: Path) -> None:
    """Settings on which no text depends would be compared in vain."""
    seen = {}
    for name in CASES:
        checkpoint = load_checkpoint(write_case(tmp_path / name, CASES[name]))
        texts = [text for text in TEXTS if text.strip()]
        seen[name] = str(encode(checkpoint, texts).ids.tolist())
    assert len(set(seen.values())) > len(seen) / 2
