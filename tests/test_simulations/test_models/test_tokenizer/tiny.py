"""Which small tokenizers, with which settings beside them, are held against AutoTokenizer?"""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from simulations.models.settings import read_architecture
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import random_tensors, write_settings

LETTERS = (*"abcdefghijklmnopqrstuvwxyzABÖÉöéñ.,!'-<>[]/0", "中", "文", "😀")
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (*MARKS, *LETTERS, *(f"##{c}" for c in LETTERS), "the", "token", "##ken", "ab", "möchte",
         "mochte", "cafe", "café", "[unused1]", "[E1]", "<s>", "</s>")  # fmt: skip
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, "▁the", "▁to", "ken", "▁ab", "mochte",
          "<mask>", "[CLS]", "[SEP]", "[MASK]")  # fmt: skip
TEXTS = (
    "the token",
    "The TOKEN, Abe!",
    "möchte der ö x",
    "café cafe\u0301 Éé ñ",  # an accent of its own, too
    "ab中文ab 中 文",
    "😀 a😀b 👍🏽",
    "a\u200bb\u200d \ufeffc\u00adab",  # nothing wide, and a soft hyphen
    "a\x00b\x07c\td\r\ne\x7f\ufffd",
    "  the   token  ",
    " ab",
    "\u3000the\u00a0token\u2028ab",
    "",
    "   ",
    "a [SEP] b [MASK] c[CLS]d",
    "a <s> b <mask> c</s>d [sep]",
    "[E1] the[E1]token [e1] the [unused1]",
    "``quoted'' '' don't",
    "a" * 150 + " the",
    "token-token.token",
    "ß ﬁ ① Å İ",
    "a <s>NOTUSED b",
)
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
BPE_WORDS = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    *BYTES,
    "<mask>",
    "th",
    "the",
    "Ġthe",
    "to",
    "Ġto",
    "ab",
)
MERGES = (("t", "h"), ("th", "e"), ("Ġ", "the"), ("t", "o"), ("Ġ", "to"), ("a", "b"))


def numbered(words: tuple[str, ...]) -> dict[str, int]:
    """Number words in their order."""
    return {word: number for number, word in enumerate(words)}


def word_piece(**options: Any) -> Tokenizer:
    """Return what BERT's converter writes; options are the normaliser's."""
    engine = Tokenizer(models.WordPiece(numbered(WORDS), unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer(**options)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.post_processor = marked("[CLS]", "[SEP]", WORDS)
    engine.add_special_tokens(list(MARKS))
    return engine


def marked(first: str, last: str, words: tuple[str, ...]) -> Any:
    """Return what puts a mark at a text's start and end."""
    special = [(mark, words.index(mark)) for mark in (first, last)]
    return processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=special)


def byte_pairs(*, add_prefix_space: bool = False) -> Tokenizer:
    """Return what RoBERTa's converter writes."""
    engine = Tokenizer(models.BPE(numbered(BPE_WORDS), list(MERGES)))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    engine.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    engine.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    engine.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return engine


def unigram(*, unknown: int = 3, marks: tuple[str, str] = ("<s>", "</s>")) -> Tokenizer:
    """Return what XLM-RoBERTa's converter writes, without its table of characters."""
    scores = [(piece, -float(len(PIECES)) / (1 + len(piece))) for piece in PIECES]
    engine = Tokenizer(models.Unigram(scores, unk_id=unknown))
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    engine.post_processor = marked(*marks, PIECES)
    engine.add_special_tokens(list(marks))
    return engine


def characters(old: str, new: str) -> Any:
    """Return sentencepiece's table of characters, a double array, with one letter in it."""
    units = [0] * 256
    units[0] = 1 << 10  # the root goes to 1 ^ letter
    units[1 ^ ord(old)] = ord(old) | 1 << 8 | 1 << 10  # a leaf follows at the next number
    units[ord(old)] = 1 << 31  # which says where in the texts the new one stands: first
    table = struct.pack("<257I", 4 * len(units), *units) + new.encode() + b"\0"
    return normalizers.Precompiled(table)


def published(engine: Tokenizer) -> Tokenizer:
    """Give a tokenizer the normaliser and the split that published ones have today."""
    engine.normalizer = normalizers.Sequence(
        [
            characters("q", "ab"),
            normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), "▁"),
        ]
    )
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    return engine


def albert() -> Tokenizer:
    """Return what ALBERT's converter writes."""
    engine = unigram(unknown=1, marks=("[CLS]", "[SEP]"))
    engine.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            characters("q", "ab"),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    return engine


def word_level() -> Tokenizer:
    """Return a list of words, split at blanks and punctuation."""
    engine = Tokenizer(models.WordLevel(numbered(WORDS), "[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    engine.post_processor = marked("[CLS]", "[SEP]", WORDS)
    return engine


class Case(NamedTuple):
    """A folder: what splits its texts, the files beside that, and what config.json says."""

    engine: Tokenizer | None = None
    settings: Mapping[str, Any] | None = None
    files: Mapping[str, Any] = {}
    config: Mapping[str, Any] = {}
    change: Callable[[dict[str, Any]], Any] = lambda _: None


def write_case(folder: Path, case: Case) -> Path:
    """Write a folder that loads; texts are files as they are (a surrogate is a byte).

    What is no text is written as JSON.
    """
    folder.mkdir(exist_ok=True)
    config = {"vocab_size": 400, "max_position_embeddings": 600} | dict(case.config)
    write_settings(folder, **config)
    model, family = read_architecture(folder / "config.json")
    save_file(random_tensors(expected_shapes(family, model)), folder / "model.safetensors")
    files = dict(case.files)
    if case.settings is not None:
        files["tokenizer_config.json"] = case.settings
    if case.engine is not None:
        content = json.loads(case.engine.to_str())
        case.change(content)
        files["tokenizer.json"] = content
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder
