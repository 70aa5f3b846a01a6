"""How does the tokenizer come out of a GGUF file?"""

from typing import Any

from simulations.models.checkpoint import Tokenizer
from simulations.models.gguf.container import Container
from simulations.models.guards import panics_unprinted, told
from simulations.models.messages import quote
from simulations.models.tokens import import_tokenizers
from theory.arrays import InputError

_CONTROL = 3
_WAY_OUT = "convert the model to a folder with model.safetensors and tokenizer.json instead"


def read_vocabulary(container: Container) -> Tokenizer:
    """Return the tokenizer that the file's words, merges and settings describe.

    Raises: InputError if it is of a kind that is not read, or damaged
    """
    file = container.file
    kind = _setting(container, "model", str, None)
    before = _setting(container, "pre", str, "gpt-2")
    if kind != "gpt2":
        raise InputError(
            f"{file} has a tokenizer of kind {quote(kind)}, but only 'gpt2' is read: {_WAY_OUT}"
        )
    library = import_tokenizers()
    byte_level = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    splits = {"gpt-2": [], "smollm": [library.pre_tokenizers.Digits(individual_digits=True)]}
    if before not in splits:
        raise InputError(
            f"{file} splits texts in the way {quote(before)}, but {' and '.join(splits)} are known "
            f"here: {_WAY_OUT}"
        )
    if _setting(container, "add_space_prefix", bool, False):
        raise InputError(f"{file} puts a blank before every text, which is not read: {_WAY_OUT}")
    words, merges = (_list(container, name, str) for name in ("tokens", "merges"))
    kinds = _list(container, "token_type", int)
    if len(kinds) != len(words):
        raise InputError(
            f"{file} is corrupt: it has {len(words)} words, but kinds for {len(kinds)}"
        )
    with panics_unprinted(), told(f"the tokenizer of {file} cannot be built"):
        pairs = [tuple(merge.split(" ", 1)) for merge in merges]
        vocabulary = {word: number for number, word in enumerate(words)}
        engine = library.Tokenizer(library.models.BPE(vocabulary, pairs))
        engine.pre_tokenizer = library.pre_tokenizers.Sequence([*splits[before], byte_level])
        special = [word for word, kind in zip(words, kinds, strict=True) if kind == _CONTROL]
        engine.add_special_tokens(special)
        if _setting(container, "add_bos_token", bool, False):
            number = _number(container, "bos_token_id", 0, len(words))
            engine.post_processor = library.processors.TemplateProcessing(
                single=[words[number], "$A"], special_tokens=[(words[number], number)]
            )
    return Tokenizer(engine, pad_id=_number(container, "padding_token_id", 0, len(words)))


def _number(container: Container, name: str, default: int, words: int) -> int:
    found: int = _setting(container, name, int, default)
    if not 0 <= found < words:
        raise InputError(
            f"{container.file} is corrupt: its {name} is {found}, but it has {words} words"
        )
    return found


def _setting(container: Container, name: str, kind: type, default: Any) -> Any:
    found = container.settings.get(f"tokenizer.ggml.{name}", default)
    if not isinstance(found, kind):
        raise InputError(f"{container.file}: tokenizer.ggml.{name} is missing, or {quote(found)}")
    return found


def _list(container: Container, name: str, kind: type) -> list[Any]:
    found = container.settings.get(f"tokenizer.ggml.{name}")
    if not isinstance(found, list) or not all(isinstance(each, kind) for each in found):
        raise InputError(f"{container.file}: tokenizer.ggml.{name} must be a list, but is not one")
    return found
