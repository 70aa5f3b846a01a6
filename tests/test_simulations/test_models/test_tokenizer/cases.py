"""Which settings are put beside which tokenizers?"""

import json
from typing import Any

from tests.test_simulations.test_models.test_tokenizer.tiny import (
    BPE_WORDS,
    MARKS,
    MERGES,
    WORDS,
    Case,
    albert,
    byte_pairs,
    numbered,
    published,
    unigram,
    word_level,
    word_piece,
)

GENERIC = {"tokenizer_class": "PreTrainedTokenizerFast"}
VOCABULARY = {"vocab.txt": "\n".join(WORDS) + "\n"}
PAIRS = {"vocab.json": numbered(BPE_WORDS),
         "merges.txt": "#version: 0.2\n" + "\n".join(map(" ".join, MERGES)) + "\n"}  # fmt: skip
ROBERTA = {"tokenizer_class": "RobertaTokenizer"}
XLM = {"tokenizer_class": "XLMRobertaTokenizer"}
ALBERT = {"tokenizer_class": "AlbertTokenizer"}


def added(content: str, **options: bool) -> dict[str, Any]:
    """Return an added token as settings keep it."""
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word", "special"), False)
    return {"content": content} | flags | options


def drop(*keys: str) -> Any:
    """Return a change that sets parts of a tokenizer.json to null."""
    return lambda content: content.update(dict.fromkeys(keys))


def repeat(rules: list[dict[str, Any]]) -> None:
    """List the rules that may be done again a second time."""
    rules += [rule for rule in rules if rule["type"] in ("NFKD", "StripAccents", "Lowercase")]


def without_bytes(content: dict[str, Any]) -> None:
    """Take pieces of bytes from a tokenizer.json, and name a piece for what has none."""
    for piece in "dÃ":
        del content["model"]["vocab"][piece]
    content["model"]["unk_token"] = "<unk>"


def padded(content: dict[str, Any]) -> None:
    """Let a tokenizer.json pad with a token of its own."""
    engine = word_level()
    engine.enable_padding(pad_token="don")
    content["padding"] = json.loads(engine.to_str())["padding"]


def typed(content: str, **options: bool) -> dict[str, Any]:
    """Return a token as tokenizer_config.json keeps it."""
    return {"__type": "AddedToken"} | added(content, **options)


CASES: dict[str, Case] = {
    "bert": Case(word_piece()),
    "bert, lower case": Case(word_piece(), {"do_lower_case": True}),
    "bert, cased": Case(word_piece(lowercase=False), {"do_lower_case": False}),
    "bert, cased by the settings alone": Case(word_piece(), {"do_lower_case": False}),
    "bert, uncased by default": Case(word_piece(lowercase=False)),
    "bert, accents kept": Case(word_piece(), {"strip_accents": False}),
    "bert, accents stripped and cased": Case(
        word_piece(), {"strip_accents": True, "do_lower_case": False}
    ),
    "bert, Chinese as words": Case(word_piece(), {"tokenize_chinese_chars": False}),
    "bert, decoding cleaned": Case(word_piece(), {"clean_up_tokenization_spaces": True}),
    "bert, named fast": Case(word_piece(), {"tokenizer_class": "BertTokenizerFast"}),
    "bert, named by the model": Case(word_piece(), config={"tokenizer_class": "BertTokenizer"}),
    "bert, other marks": Case(word_piece(), {"cls_token": "<s>", "sep_token": "</s>"}),
    "bert, other marks with a type": Case(
        word_piece(), {"cls_token": typed("<s>", special=True, lstrip=True)}
    ),
    "bert, another unknown": Case(word_piece(), {"unk_token": "[unused1]"}),
    "bert, another mask": Case(word_piece(), {"mask_token": typed("[E1]", lstrip=True)}),
    "bert, extra tokens": Case(word_piece(), {"additional_special_tokens": ["[E1]", "the"]}),
    "bert, extra tokens of today": Case(word_piece(), {"extra_special_tokens": ["[E1]", "new"]}),
    "bert, extra tokens by name": Case(word_piece(), {"extra_special_tokens": {"e_token": "[E1]"}}),
    "bert, extra tokens by name beside a list": Case(
        word_piece(),
        {"extra_special_tokens": {"e_token": "[E1]"}, "additional_special_tokens": ["café"]},
    ),
    "bert, extra tokens in both lists": Case(
        word_piece(),
        {"extra_special_tokens": ["[E1]"]},
        files={"special_tokens_map.json": {"extra_special_tokens": ["[E1]", "café"]}},
    ),
    "bert, added tokens that are special": Case(
        word_piece(),
        {"extra_special_tokens": ["CAFÉ", typed("MÖCHTE")]},
        files={"added_tokens.json": {"CAFÉ": len(WORDS), "MÖCHTE": len(WORDS) + 1}},
    ),
    "bert, added marks": Case(
        word_piece(),
        files={
            "special_tokens_map.json": {"mask_token": added("Möchte"), "sep_token": "[E1]"},
            "added_tokens.json": {"Möchte": len(WORDS), "[E1]": WORDS.index("[E1]")},
        },
    ),
    "bert, new tokens listed backwards": Case(
        word_piece(),
        {
            "added_tokens_decoder": {
                str(len(WORDS) + 1): added("quoted"),
                str(len(WORDS)): added("don"),
            }
        },
    ),
    "bert, new parts listed backwards": Case(
        word_piece(), {"mask_token": "quoted", "bos_token": "don"}
    ),
    "bert, a part that is split": Case(
        word_piece(),
        {
            "split_special_tokens": True,
            "mask_token": "[E1]",
            "added_tokens_decoder": {
                str(WORDS.index(mark)): added(mark, special=mark in MARKS)
                for mark in (*MARKS, "[E1]")
            },
        },
    ),
    "bert, a token of its own": Case(word_piece(), {"speaker_token": "[E1]"}),
    "bert, special tokens split": Case(word_piece(), {"split_special_tokens": True}),
    "bert, decoder": Case(
        word_piece(),
        {
            "added_tokens_decoder": {
                str(WORDS.index("[E1]")): added("[E1]", normalized=True),
                **{str(i): added(mark, special=True) for i, mark in enumerate(MARKS)},
            }
        },
    ),
    "bert, decoder with a new token": Case(
        word_piece(), {"added_tokens_decoder": {str(len(WORDS)): added("to ken", rstrip=True)}}
    ),
    "bert, decoder strips": Case(
        word_piece(),
        {"added_tokens_decoder": {"4": added("[MASK]", lstrip=True, special=True)}},
    ),
    "bert, added tokens": Case(
        word_piece(), files={"added_tokens.json": {"café": WORDS.index("café"), "tok": len(WORDS)}}
    ),
    "bert, special map": Case(
        word_piece(),
        files={"special_tokens_map.json": {"sep_token": "</s>", "mask_token": added("[E1]")}},
    ),
    "bert, map and decoder": Case(
        word_piece(),
        {"added_tokens_decoder": {"0": added("[PAD]", special=True)}},
        files={"special_tokens_map.json": {"sep_token": "</s>"}},
    ),
    "bert, map against settings": Case(
        word_piece(),
        {"sep_token": "[E1]"},
        files={"special_tokens_map.json": {"sep_token": "</s>"}},
    ),
    "bert, extra in the map": Case(
        word_piece(), files={"special_tokens_map.json": {"additional_special_tokens": ["[E1]"]}}
    ),
    "bert, no marks in the file": Case(word_piece(), change=drop("post_processor")),
    "bert, cut from the left": Case(
        word_piece(), {"model_max_length": 7, "truncation_side": "left"}
    ),
    "bert, short": Case(word_piece(), {"model_max_length": 7}),
    "words only": Case(None, files=VOCABULARY),
    "words only, cased": Case(None, {"do_lower_case": False}, VOCABULARY),
    "words only, accents kept": Case(None, {"strip_accents": False}, VOCABULARY),
    "words only, Chinese as words": Case(None, {"tokenize_chinese_chars": False}, VOCABULARY),
    "words only, other marks": Case(
        None, {"cls_token": "<s>", "unk_token": "[unused1]"}, VOCABULARY
    ),
    "words only, added tokens": Case(
        None,
        {"do_lower_case": False},
        VOCABULARY | {"added_tokens.json": {"to ken": len(WORDS), "[E1]": WORDS.index("[E1]")}},
    ),
    "words only, decoder": Case(
        None,
        {"added_tokens_decoder": {str(len(WORDS)): added("CAFÉ", normalized=True)}},
        VOCABULARY,
    ),
    "words only, distilbert": Case(
        None, {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False}, VOCABULARY
    ),
    "words only, electra": Case(None, files=VOCABULARY, config={"model_type": "electra"}),
    "roberta": Case(byte_pairs(), ROBERTA),
    "roberta by its model": Case(byte_pairs(), config={"model_type": "roberta", "pad_token_id": 1}),
    "roberta, prefix space": Case(byte_pairs(), ROBERTA | {"add_prefix_space": True}),
    "roberta, no prefix space": Case(
        byte_pairs(add_prefix_space=True), ROBERTA | {"add_prefix_space": False}
    ),
    "roberta, mask strips": Case(
        byte_pairs(), ROBERTA | {"mask_token": typed("<mask>", lstrip=True)}
    ),
    "roberta, bytes without a piece": Case(byte_pairs(), ROBERTA, change=without_bytes),
    "roberta, trimmed": Case(byte_pairs(), ROBERTA | {"trim_offsets": False}),
    "roberta, marks": Case(byte_pairs(), ROBERTA | {"cls_token": "</s>", "sep_token": "<s>"}),
    "roberta, no marks in the file": Case(byte_pairs(), ROBERTA, change=drop("post_processor")),
    "pairs only": Case(None, ROBERTA, PAIRS),
    "pairs only, prefix space": Case(None, ROBERTA | {"add_prefix_space": True}, PAIRS),
    "pairs only, map": Case(
        None,
        ROBERTA,
        PAIRS | {"special_tokens_map.json": {"mask_token": added("<mask>", lstrip=True)}},
    ),
    "xlm-roberta": Case(unigram(), XLM),
    "xlm-roberta by its model": Case(
        unigram(), config={"model_type": "xlm-roberta", "pad_token_id": 1}
    ),
    "xlm-roberta, no prefix space": Case(unigram(), XLM | {"add_prefix_space": False}),
    "xlm-roberta, other marks": Case(unigram(), XLM | {"bos_token": "[CLS]", "eos_token": "[SEP]"}),
    "xlm-roberta, decoder": Case(
        unigram(), XLM | {"added_tokens_decoder": {"0": added("<s>", special=True)}}
    ),
    "xlm-roberta as published": Case(published(unigram()), XLM),
    "xlm-roberta, one table": Case(
        unigram(),
        XLM,
        change=lambda content: content.update(
            normalizer=json.loads(published(unigram()).to_str())["normalizer"]["normalizers"][0]
        ),
    ),
    "camembert as published": Case(published(unigram()), {"tokenizer_class": "CamembertTokenizer"}),
    "camembert": Case(unigram(), {"tokenizer_class": "CamembertTokenizer"}),
    "camembert, no prefix space": Case(
        unigram(), {"tokenizer_class": "CamembertTokenizer", "add_prefix_space": False}
    ),
    "camembert, extra": Case(
        unigram(), {"tokenizer_class": "CamembertTokenizer", "additional_special_tokens": ["the"]}
    ),
    "albert": Case(albert(), ALBERT),
    "albert, accents kept": Case(albert(), ALBERT | {"keep_accents": True}),
    "albert, cased": Case(albert(), ALBERT | {"do_lower_case": False}),
    "albert, no prefix space": Case(albert(), ALBERT | {"add_prefix_space": False}),
    "albert, its rules listed twice": Case(
        albert(), ALBERT, change=lambda content: repeat(content["normalizer"]["normalizers"])
    ),
    "albert, no marks in the file": Case(albert(), ALBERT, change=drop("post_processor")),
    "word level": Case(word_level(), GENERIC),
    "word level, no marks": Case(word_level(), GENERIC, change=drop("post_processor")),
    "word level, extra": Case(word_level(), GENERIC | {"additional_special_tokens": ["[E1]"]}),
    "word level, mask": Case(
        word_level(), GENERIC | {"mask_token": "[MASK]", "pad_token": "[PAD]"}
    ),
    "word level, padded": Case(word_level(), GENERIC, change=padded),
    "word level, backend": Case(word_level(), {"tokenizer_class": "TokenizersBackend"}),
    "word level, decoder": Case(
        word_level(), GENERIC | {"added_tokens_decoder": {str(len(WORDS)): added("to ken")}}
    ),
    "word level, split": Case(
        word_level(), GENERIC | {"split_special_tokens": True, "sep_token": "[SEP]"}
    ),
    "word piece as it stands": Case(word_piece(lowercase=False), GENERIC),
    "word piece without cleaning as it stands": Case(word_piece(clean_text=False), GENERIC),
    "pairs as they stand": Case(byte_pairs(add_prefix_space=True), GENERIC),
    "pieces as they stand": Case(albert(), GENERIC),
}
