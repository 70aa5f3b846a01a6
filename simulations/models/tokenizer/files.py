"""What do the files of a folder say about its tokenizer?"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulations.models.messages import quote
from simulations.models.present import is_there
from simulations.models.settings import read_json
from simulations.models.tokens import has_surrogate, import_tokenizers
from theory.arrays import InputError

if TYPE_CHECKING:
    from tokenizers import AddedToken

CONFIG: Final = "tokenizer_config.json"
AS_IT_STANDS: Final = "PreTrainedTokenizerFast"
NAMED: Final = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
"""The tokens with a part to play, in the order in which missing ones are added."""

_NEW, _OLD = "extra_special_tokens", "additional_special_tokens"
_FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")
_BY_MODEL = {
    "bert": "BertTokenizer",
    "distilbert": "BertTokenizer",
    "electra": "BertTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "camembert": "CamembertTokenizer",
    "albert": "AlbertTokenizer",
    "mpnet": "MPNetTokenizer",
    "gpt2": "GPT2Tokenizer",
    "opt": "GPT2Tokenizer",
}
# Their own rules are in tokenizer.json, and nowhere else.
_IN_THE_FILE = (
    *("LlamaTokenizer", "CodeLlamaTokenizer", "Qwen2Tokenizer", "GemmaTokenizer"),
    *("GPTNeoXTokenizer", "CodeGenTokenizer", "T5Tokenizer"),
)
_ALIASES = {
    "DistilBertTokenizer": "BertTokenizer",
    "ElectraTokenizer": "BertTokenizer",
    "PreTrainedTokenizer": AS_IT_STANDS,
    "TokenizersBackend": AS_IT_STANDS,
    "PythonBackend": AS_IT_STANDS,
    **dict.fromkeys(_IN_THE_FILE, AS_IT_STANDS),
}
_KINDS = (*dict.fromkeys(_BY_MODEL.values()), AS_IT_STANDS)
CLASSES: Final = (*_KINDS, *_ALIASES)
"""The tokenizers that are supported, as tokenizer_class names them."""


@dataclass(frozen=True)
class Said:
    """What stands beside a tokenizer.json or a list of words, read and put together.

    ``kind`` is the class that splits the texts. ``named`` has tokens by their part, such as
    "cls_token"; ``added`` are tokens by their number, matched before anything is split, and
    ``decoder`` says that they stand in tokenizer_config.json.
    """

    kind: str
    settings: Mapping[str, Any]
    named: "Mapping[str, str | AddedToken | None]"
    extra: "tuple[str | AddedToken, ...]"
    added: "Mapping[int, AddedToken]"
    decoder: bool

    def switch(self, key: str, default: bool | None) -> bool | None:
        """Return a setting that is on, off or, where that is the default, left open.

        Raises: InputError if it is something else
        """
        value = self.settings.get(key, default)
        if not isinstance(value, bool) and not (value is None and default is None):
            raise InputError(f"{CONFIG}: {key} must be true or false, but is {quote(value)}")
        return value

    def word(self, key: str, default: str) -> str:
        """Return the text of a token that the tokenizer cannot do without."""
        token = self.named.get(key, default)
        if token is None:
            raise InputError(f"{CONFIG}: {key} must be a token for a {self.kind}, but is null")
        return content(token)


def content(token: "str | AddedToken") -> str:
    """Return the text of a token."""
    return token if isinstance(token, str) else token.content


def read_said(folder: Path, file: Mapping[str, Any]) -> Said:
    """Read what is beside ``file``, the content of tokenizer.json, empty if there is none.

    Where tokenizer_config.json lists the added tokens, the older files have no say; without
    that list special_tokens_map.json comes before tokenizer_config.json.

    Raises: InputError if a file is damaged or asks for what is not supported

    Source: derived from what AutoTokenizer of transformers 5 does, and tested against it
    """
    settings = _optional(folder / CONFIG)
    kind = _kind(settings, read_json(folder / "config.json"))
    if settings.get("fast_tokenizer_files", []) not in ([], ["tokenizer.json"]):
        raise InputError(
            f"{CONFIG}: fast_tokenizer_files must be ['tokenizer.json'], the only file read, "
            f"but is {quote(settings['fast_tokenizer_files'])}"
        )
    values = _Values(settings)
    own: dict[str, Any] = {}
    values.name_extra(own)
    decoder = settings.get("added_tokens_decoder")
    if decoder is not None:
        added = _numbered(CONFIG, decoder)
    else:
        older = _optional(folder / "special_tokens_map.json")
        values.update_older(older, own)
        added = _older(folder, values.special(older))
        for entry in file.get("added_tokens", []):
            added[entry["id"]] = _token("tokenizer.json", "added_tokens", entry)
    return Said(
        kind=kind,
        settings=settings,
        named=_named(values, own, added),
        extra=values.extra(),
        added=added,
        decoder=decoder is not None,
    )


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if is_there(path) else {}


def _kind(settings: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return the class that tokenizer_config.json names, or config.json, or the model type."""
    code = settings.get("auto_map")
    if isinstance(code, dict):
        code = code.get("AutoTokenizer")
    if code is not None:
        raise InputError(
            f"{CONFIG}: auto_map asks for a tokenizer that comes as code of its own, which is "
            f"not run here: {quote(code)}"
        )
    for file, values in ((CONFIG, settings), ("config.json", config)):
        name = values.get("tokenizer_class")
        if name is None:
            continue
        kind = name.removesuffix("Fast") if isinstance(name, str) else name
        if name != AS_IT_STANDS and (not isinstance(kind, str) or kind not in CLASSES):
            raise InputError(
                f"{file}: tokenizer_class must be one of {', '.join(_KINDS)}, or mean one of them, "
                f"but is {quote(name)}"
            )
        return _ALIASES.get(kind, kind)
    return _BY_MODEL.get(config["model_type"], AS_IT_STANDS)


class _Values(dict[str, Any]):
    """The settings, of which the special tokens without a part have two names and two forms."""

    def name_extra(self, own: dict[str, Any]) -> None:
        """Give the extra tokens their present name; those with a name of their own go out."""
        if _OLD in self and not self.get(_NEW):
            self[_NEW] = self.pop(_OLD)
        self._take_named(own)

    def update_older(self, older: Mapping[str, Any], own: dict[str, Any]) -> None:
        """Let special_tokens_map.json come before the settings, or, of extra tokens, beside."""
        before = self.get(_NEW) or []
        self |= older
        if isinstance(more := older.get(_NEW), list):
            self[_NEW] = before + [token for token in more if token not in before]
        self._take_named(own)

    def _take_named(self, own: dict[str, Any]) -> None:
        if isinstance(extra := self.get(_NEW), dict):
            own |= self.pop(_NEW)
        elif not isinstance(extra, list | None):
            raise InputError(f"{CONFIG}: {_NEW} must be a list of tokens, but is {quote(extra)}")

    def special(self, older: Mapping[str, Any]) -> set[str]:
        """Return the texts that are special in added_tokens.json: those named as plain texts.

        A token with flags counts in special_tokens_map.json only.
        """
        tokens = [*(self.get(key) for key in NAMED), *(self.get(_NEW) or [])]
        flagged = [older.get(key) for key in NAMED]
        tokens += [token.get("content") for token in flagged if isinstance(token, dict)]
        return {token for token in tokens if isinstance(token, str)}

    def extra(self) -> "tuple[str | AddedToken, ...]":
        """Return the special tokens without a part."""
        extra = self.get(_NEW, self.get(_OLD)) or []
        if not isinstance(extra, list):
            raise InputError(f"{CONFIG}: {_OLD} must be a list of tokens, but is {quote(extra)}")
        tokens = _tokens({f"{_NEW}[{i}]": token for i, token in enumerate(extra)})
        return tuple(token for token in tokens.values() if token is not None)


def _named(
    values: Mapping[str, Any], own: Mapping[str, Any], added: "Mapping[int, AddedToken]"
) -> "dict[str, str | AddedToken | None]":
    """Return the tokens with a part, or a name of their own, as the added tokens have them."""
    named = {
        key: value
        for key, value in values.items()
        if key in NAMED or (key.endswith("_token") and isinstance(value, str | dict))
    }
    as_added = {token.content: token for token in added.values()}
    return {
        key: as_added.get(content(token), token) if token is not None and key in NAMED else token
        for key, token in _tokens({**named, **own}).items()
    }


def _older(folder: Path, special: Set[str]) -> "dict[int, AddedToken]":
    """Read added_tokens.json, which has numbers by tokens."""
    library = import_tokenizers()
    added = {}
    for word, number in _optional(folder / "added_tokens.json").items():
        if not isinstance(number, int) or has_surrogate(word):
            raise InputError(
                f"added_tokens.json: {quote(word)} must have a whole number, but has "
                f"{quote(number)}"
            )
        mark = word in special
        added[number] = library.AddedToken(word, normalized=not mark, special=mark)
    return added


def _numbered(file: str, decoder: object) -> "dict[int, AddedToken]":
    if not isinstance(decoder, dict) or not all(key.isascii() and key.isdigit() for key in decoder):
        raise InputError(
            f"{file}: added_tokens_decoder must be an object with numbers for keys, "
            f"but is {quote(decoder)}"
        )
    return {int(key[:12]): _token(file, key, token) for key, token in decoder.items()}


def _tokens(values: Mapping[str, Any]) -> "dict[str, str | AddedToken | None]":
    tokens: dict[str, str | AddedToken | None] = {}
    for key, value in values.items():
        if value is None or (isinstance(value, str) and not has_surrogate(value)):
            tokens[key] = value
        elif isinstance(value, dict):
            tokens[key] = _token(CONFIG, key, value)
        else:
            raise InputError(f"{CONFIG}: {key} must be a string, but is {quote(value)}")
    return tokens


def _token(file: str, key: str, value: object) -> "AddedToken":
    """Read an added token: its content, and flags on how it is matched."""
    if not isinstance(value, dict) or not isinstance(word := value.get("content"), str):
        raise InputError(f"{file}: {key} must be a token with a content, but is {quote(value)}")
    flags = {flag: value[flag] for flag in value if flag not in ("content", "__type", "id")}
    if has_surrogate(word) or not all(
        flag in _FLAGS and isinstance(on, bool) for flag, on in flags.items()
    ):
        raise InputError(
            f"{file}: {key} must be a token with a content and {', '.join(_FLAGS)} true or false, "
            f"but is {quote(value)}"
        )
    token: AddedToken = import_tokenizers().AddedToken(word, **flags)
    return token
