"""Which settings are put beside the tokenizers of decoders and of MPNet?"""

from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.test_simulations.test_models.test_tokenizer.cases import PAIRS
from tests.test_simulations.test_models.test_tokenizer.tiny import (
    BPE_WORDS,
    MERGES,
    Case,
    byte_pairs,
    marked,
    numbered,
    word_piece,
)

GPT2: dict[str, Any] = {"tokenizer_class": "GPT2Tokenizer"}
MPNET: dict[str, Any] = {"tokenizer_class": "MPNetTokenizer"}
ENDS = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}


def bare(*, add_prefix_space: bool = False) -> Tokenizer:
    """Return what GPT-2's converter writes: nothing stands around a text."""
    engine = byte_pairs(add_prefix_space=add_prefix_space)
    engine.post_processor = processors.ByteLevel(trim_offsets=False)
    return engine


def started() -> Tokenizer:
    """Return what OPT's converter writes: a mark stands before a text."""
    engine = bare()
    special = [("<s>", 0)]
    engine.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=special)
    return engine


def mpnet() -> Tokenizer:
    """Return what MPNet's converter writes."""
    engine = word_piece()
    words = engine.get_vocab()
    last, first = ((mark, words[mark]) for mark in ("</s>", "<s>"))
    engine.post_processor = processors.RobertaProcessing(last, first)
    return engine


def split_by_rule() -> Tokenizer:
    """Return what Qwen2's converter writes, with a rule of its own."""
    engine = Tokenizer(models.BPE(numbered(BPE_WORDS), list(MERGES)))
    engine.normalizer = normalizers.NFC()
    rule = Regex(r"\p{N}|[^\r\n\p{L}\p{N}]?\p{L}+|\s+|[^\s\p{L}\p{N}]+")
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(rule, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.post_processor = marked("<s>", "</s>", BPE_WORDS)
    return engine


NEWER: dict[str, Case] = {
    "gpt2": Case(bare(), GPT2 | ENDS),
    "gpt2, blank first": Case(
        bare(add_prefix_space=True), GPT2 | ENDS | {"add_prefix_space": True}
    ),
    "gpt2 from older files": Case(settings=GPT2 | ENDS, files=PAIRS),
    "gpt2, begun with a mark": Case(started(), GPT2 | ENDS | {"add_bos_token": True}),
    "mpnet": Case(mpnet(), MPNET),
    "mpnet, cased": Case(mpnet(), MPNET | {"do_lower_case": False}),
    "taken as it stands": Case(split_by_rule(), {"tokenizer_class": "PreTrainedTokenizerFast"}),
}
