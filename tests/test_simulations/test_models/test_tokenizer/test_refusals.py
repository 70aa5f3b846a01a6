"""Is a tokenizer refused by name, in one line, where its files disagree or it cannot be run?"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulations.models import encode, load_checkpoint
from simulations.models.guards import growth, panics_unprinted
from tests.test_simulations.test_models.test_tokenizer.cases import (
    ALBERT,
    GENERIC,
    PAIRS,
    ROBERTA,
    VOCABULARY,
    XLM,
    added,
    drop,
)
from tests.test_simulations.test_models.test_tokenizer.tiny import (
    Case,
    albert,
    byte_pairs,
    unigram,
    word_level,
    word_piece,
    write_case,
)
from theory.arrays import InputError


def put(**parts: Any) -> Callable[[dict[str, Any]], Any]:
    """Return a change that sets parts of a tokenizer.json; those of the model begin model_."""

    def change(content: dict[str, Any]) -> None:
        for key, value in parts.items():
            inside = content["model"] if key.startswith("model_") else content
            inside[key.removeprefix("model_")] = value

    return change


def replace(pattern: dict[str, str], new: str) -> dict[str, Any]:
    """Return a rule of a normaliser."""
    return {"type": "Replace", "pattern": pattern, "content": new}


AROUND = json.loads(unigram().to_str())["post_processor"]
DECODER = "added_tokens_decoder"
DOUBLING = {"type": "Sequence", "normalizers": [replace({"String": "a"}, "aa")] * 40}
REFUSED: dict[str, tuple[Case, str]] = {
    "another model": (Case(word_level()), "model is 'WordLevel', but a BertTokenizer"),
    "pairs for BERT": (Case(byte_pairs()), "model is 'BPE', but a BertTokenizer"),
    "words for RoBERTa": (Case(word_piece(), ROBERTA), "model is 'WordPiece', but a RobertaTok"),
    "uncleaned": (Case(word_piece(clean_text=False)), "clean_text is False"),
    "no normaliser": (Case(word_piece(), change=drop("normalizer")), "normalizer is None"),
    "another normaliser": (
        Case(word_piece(), change=put(normalizer={"type": "Lowercase"})),
        r"normalizer is \['Lowercase'\]",
    ),
    "another split": (
        Case(word_piece(), change=put(pre_tokenizer={"type": "Whitespace"})),
        r"pre_tokenizer is \['Whitespace'\]",
    ),
    "another unknown": (
        Case(word_piece(), change=put(model_unk_token="<unk>")),
        "unk_token is '<unk>'",
    ),
    "longer words": (
        Case(word_piece(), change=put(model_max_input_chars_per_word=200)),
        "max_input_chars_per_word is 200",
    ),
    "another prefix": (
        Case(word_piece(), change=put(model_continuing_subword_prefix="@@")),
        "continuing_subword_prefix is '@@'",
    ),
    "other marks": (
        Case(
            word_piece(),
            change=put(post_processor=json.loads(unigram().to_str())["post_processor"]),
        ),
        r"post_processor puts \['<s>', '</s>'\] .* name cls_token and sep_token",
    ),
    "lower case pairs": (
        Case(byte_pairs(), ROBERTA, change=put(normalizer={"type": "Lowercase"})),
        r"normalizer is \['Lowercase'\], but a RobertaTokenizer",
    ),
    "dropout": (Case(byte_pairs(), ROBERTA, change=put(model_dropout=0.1)), "dropout is 0.1"),
    "another unknown piece": (Case(unigram(unknown=0), XLM), "unk_id is 0"),
    "bytes": (Case(unigram(), XLM, change=put(model_byte_fallback=True)), "byte_fallback is True"),
    "lower case pieces": (
        Case(unigram(), XLM, change=put(normalizer={"type": "Lowercase"})),
        "normalizer is .*, but a XLMRobertaTokenizer",
    ),
    "pieces of ALBERT without its rules": (
        Case(albert(), ALBERT, change=drop("normalizer")),
        "normalizer is .*, but a AlbertTokenizer",
    ),
    "marks of ALBERT": (
        Case(albert(), ALBERT | {"cls_token": "<s>"}),
        r"cls_token and sep_token of an AlbertTokenizer are \['<s>', '\[SEP\]'\]",
    ),
    "no prefix": (
        Case(
            unigram(),
            XLM,
            change=put(
                pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}
            ),
        ),
        "prepend_scheme is 'first'",
    ),
    "case of a file as it stands": (
        Case(word_piece(), GENERIC | {"do_lower_case": False}),
        "do_lower_case is False, but tokenizer.json has True",
    ),
    "prefix of a file as it stands": (
        Case(byte_pairs(), GENERIC | {"add_prefix_space": True}),
        "add_prefix_space is True, but tokenizer.json has False",
    ),
    "a number that is taken": (
        Case(word_piece(), {DECODER: {"300": added("to ken")}}),
        "'to ken' the number 300, but .* lead to 111",
    ),
    "a list that leaves one out": (
        Case(
            word_piece(),
            {DECODER: {}},
            change=lambda content: content["added_tokens"].append(added("[E1]") | {"id": 108}),
        ),
        r"tokenizer.json adds '\[E1\]' as number 108, which .*added_tokens_decoder leaves out",
    ),
    "a class that we lack": (
        Case(None, {"tokenizer_class": "BertJapaneseTokenizer"}, VOCABULARY),
        "tokenizer_class must be one of BertTokenizer, .* but is 'BertJapaneseTokenizer'",
    ),
    "the model's class that we lack": (
        Case(word_piece(), config={"tokenizer_class": "MecabTokenizer"}),
        "config.json: tokenizer_class must be one of .* but is 'MecabTokenizer'",
    ),
    "code": (
        Case(word_piece(), {"auto_map": {"AutoTokenizer": ["mine.Tokenizer", None]}}),
        "auto_map asks for a tokenizer that comes as code",
    ),
    "other files": (
        Case(word_piece(), {"fast_tokenizer_files": ["tokenizer.4.json"]}),
        "fast_tokenizer_files must be",
    ),
    "no words": (Case(), r"has no tokenizer\.json \(nor a vocab\.txt\)"),
    "no merges": (
        Case(None, ROBERTA, {"vocab.json": PAIRS["vocab.json"]}),
        r"has no tokenizer\.json \(nor a merges\.txt\)",
    ),
    "no pieces": (Case(None, XLM), "has no tokenizer.json, which a XLMRobertaTokenizer needs"),
    "a word for a switch": (Case(word_piece(), {"do_lower_case": "no"}), "must be true or false"),
    "null for a token": (Case(word_piece(), {"cls_token": None}), "cls_token must be a token"),
    "nothing for a token": (
        Case(word_piece(), {"cls_token": ""}),
        r"cls_token and sep_token must be tokens, but are \['', '\[SEP\]'\]",
    ),
    "a number for a token": (Case(word_piece(), {"sep_token": 3}), "sep_token must be a string"),
    "a token without content": (Case(word_piece(), {"sep_token": {}}), "with a content"),
    "a flag of no token": (
        Case(word_piece(), {DECODER: {"0": added("[PAD]") | {"lstrip": 1}}}),
        "0 must be a token with a content and lstrip",
    ),
    "a list for the decoder": (Case(word_piece(), {DECODER: []}), "must be an object with numbers"),
    "a word for a number": (Case(word_piece(), {DECODER: {"x": added("x")}}), "with numbers"),
    "extra as a word": (Case(word_piece(), {"extra_special_tokens": "x"}), "must be a list"),
    "added without numbers": (
        Case(word_piece(), files={"added_tokens.json": {"x": "y"}}),
        "added_tokens.json: 'x' must have a whole number",
    ),
    "another side": (Case(word_piece(), {"truncation_side": "up"}), "must be 'left' or 'right'"),
    "no length": (Case(word_piece(), {"model_max_length": 0}), "model_max_length must be"),
    "rules that feed each other": (
        Case(word_level(), GENERIC, change=put(normalizer=DOUBLING)),
        "normalizer may make a text more than 1000 times longer",
    ),
    "a table of characters that is none": (
        Case(
            word_level(),
            GENERIC,
            change=put(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        ),
        r"tokenizer\.json is truncated or corrupt: Precompiled",
    ),
    "words that are no text": (
        Case(None, files={"vocab.txt": "a\udcff"}),
        "vocab.txt is truncated",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name(name: str, tmp_path: Path) -> None:
    case, message = REFUSED[name]
    write_case(tmp_path, case)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("case", "text", "message"),
    [
        (Case(word_piece(), {"unk_token": "<none>"}), "中国", "Missing .* from the vocabulary"),
        (
            Case(word_level(), GENERIC, change=put(model_unk_token="<none>")),
            "other",
            "Missing .* from the vocabulary",
        ),
        (
            Case(unigram(), GENERIC, change=put(model_unk_id=None)),
            "国",
            "unknown token but `unk_id` is missing",
        ),
        (
            Case(
                word_level(),
                GENERIC,
                change=put(normalizer=replace({"Regex": "(a|aa)+$"}, "")),
            ),
            "a" * 40 + "b",
            "retry-limit",
        ),
    ],
)
def test_a_text_that_cannot_be_split_is_named(
    case: Case, text: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = load_checkpoint(write_case(tmp_path, case))
    with pytest.raises(InputError, match=rf"^texts\[1\] cannot be split: .*{message}") as caught:
        encode(checkpoint, ["the a", text])
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_prefix_that_cannot_be_split_is_named(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_case(tmp_path, Case(word_piece(), {"unk_token": "<none>"})))
    with pytest.raises(InputError, match=r"^prefix cannot be split: .*Missing"):
        encode(checkpoint, ["the"], prefix="国")


@pytest.mark.parametrize(
    ("step", "bound"),
    [
        (None, 1),
        ({"type": "NFC"}, 1),
        (replace({"String": "``"}, '"'), 1),
        (replace({"String": "a"}, "bcd"), 3),
        (replace({"String": ""}, "bcd"), 4),
        (replace({"Regex": " {2,}"}, "▁"), 2),
        ({"type": "Sequence", "normalizers": [replace({"String": "a"}, "aa")] * 5}, 32),
        ({"type": "Sequence", "normalizers": [DOUBLING, DOUBLING]}, 2**80),
    ],
)
def test_growth_is_bounded_by_the_rules(step: Any, bound: float) -> None:
    assert growth(step) == bound


def test_what_is_printed_beside_a_panic_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with panics_unprinted():
        os.write(2, b"something else\n")
    assert capfd.readouterr().err == "something else\n"


@pytest.mark.parametrize("shut", ["2>&-", "2>/dev/full"])
def test_texts_are_split_where_there_is_no_standard_error(shut: str, tmp_path: Path) -> None:
    write_case(tmp_path, Case(word_level(), GENERIC))
    code = (
        "import sys\n"
        "from simulations.models import encode, load_checkpoint\n"
        "print(encode(load_checkpoint(sys.argv[1]), ['the']).ids.tolist())"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {shut}', sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == "[[2, 99, 3]]\n"
