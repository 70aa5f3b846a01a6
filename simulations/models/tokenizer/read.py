"""How does the tokenizer of a folder come together from its files?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from simulations.models.checkpoint import Tokenizer
from simulations.models.guards import panics_unprinted, require_bounded, told
from simulations.models.messages import quote
from simulations.models.present import is_there
from simulations.models.tokenizer.conflicts import require_agreement, require_flags_in_file
from simulations.models.tokenizer.files import (
    AS_IT_STANDS,
    CONFIG,
    NAMED,
    Said,
    content,
    read_said,
)
from simulations.models.tokenizer.kinds import (
    MARKS,
    add_marks,
    build_engine,
    extra_tokens,
    named_tokens,
    pad_token,
)
from simulations.models.tokens import import_tokenizers
from theory.arrays import InputError

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Engine

FILE = "tokenizer.json"
# What the library calls the parts of a file, where it cannot read one.
_PARTS = {
    "model": "enum Model",
    "normalizer": "enum Normalizer",
    "pre_tokenizer": "enum PreTokenizer",
    "post_processor": "enum PostProcessor",
    "decoder": "enum PyDecoder",
}


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read a folder's tokenizer.json, or the word lists of older models, and what is beside it.

    Texts become the tokens that AutoTokenizer of transformers makes of them.

    Raises: InputError if a file is damaged, asks for what is not supported, or disagrees
            with another one
    """
    with panics_unprinted():
        return _read(folder)


def read_alone(folder: Path, *, pad: str) -> Tokenizer:
    """Read a tokenizer.json as it stands, where no config.json says whose it is.

    Raises: InputError if it is missing or damaged, or lacks the word ``pad``
    """
    if not is_there(folder / FILE):
        raise InputError(f"the folder of the weights has no {FILE}, which splits texts")
    with panics_unprinted():
        _, engine = _read_file(folder / FILE)
        engine.no_truncation()
        engine.no_padding()
        number = engine.token_to_id(pad)
    if number is None:
        raise InputError(f"{FILE} lacks the word {pad}")
    return Tokenizer(engine, pad_id=number)


def _read(folder: Path) -> Tokenizer:
    file, as_kept = _read_file(folder / FILE) if is_there(folder / FILE) else ({}, None)
    said = read_said(folder, file)
    with told(f"the tokenizer of {quote(folder.name)} cannot be built"):
        if as_kept is not None and said.kind == AS_IT_STANDS:
            require_flags_in_file(said, file)
            engine = as_kept
        else:
            if file:
                require_agreement(said, file)
            engine = build_engine(said, file, folder, as_kept)
        _add_tokens(engine, said, file)
        _require_numbers(engine, said, file)
        if said.kind != AS_IT_STANDS:
            _add_marks(engine, said, as_kept)
        elif isinstance(said.settings.get("add_bos_token"), bool):
            _require_start(engine, said)
        engine.encode_special_tokens = bool(said.switch("split_special_tokens", False))
        engine.no_truncation()  # files come with the lengths of somebody's training
        engine.no_padding()
        pad = engine.token_to_id(pad_token(said))
    return Tokenizer(
        engine, pad_id=0 if pad is None else pad, longest=_longest(said), cut=_side(said, file)
    )


def _read_file(path: Path) -> "tuple[dict[str, Any], Engine]":
    """Return a tokenizer.json's engine, and its settings under their present names."""
    with told(f"{path.name} is truncated or corrupt"):
        try:
            engine: Engine = import_tokenizers().Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            _require_known_parts(path, str(error))
            raise
        kept = json.loads(path.read_bytes())
        file = {
            "model": kept["model"] | {"type": type(engine.model).__name__},
            "normalizer": _state(engine.normalizer),
            "pre_tokenizer": _state(engine.pre_tokenizer),
            "truncation": engine.truncation,
            "padding": engine.padding,
            "added_tokens": kept.get("added_tokens", []),
        }
    require_bounded(file["normalizer"])
    return file, engine


def _state(part: Any) -> Any:
    """Return a part as the library writes it today, whatever an older file calls its settings."""
    return None if part is None else json.loads(part.__getstate__())


def _require_known_parts(path: Path, message: str) -> None:
    """Name the part of a whole file that the library does not know, which it leaves unsaid."""
    part = next((part for part, name in _PARTS.items() if name in message), None)
    if part is None:
        return
    kinds = [step.get("type") for step in _steps(json.loads(path.read_bytes()).get(part))]
    raise InputError(
        f"{path.name}: its {part} of type {' and '.join(map(quote, kinds[:4]))} is not known to "
        f"tokenizers {import_tokenizers().__version__}, or not with its settings"
    )


def _steps(part: object) -> list[dict[str, Any]]:
    if not isinstance(part, dict):
        return []
    keys = ("normalizers", "pretokenizers", "processors", "decoders")
    inner = next((part[key] for key in keys if key in part), [part])
    steps = inner if isinstance(inner, list) else [part]
    return [step for step in steps if isinstance(step, dict)]


def _add_tokens(engine: "Engine", said: Said, file: Mapping[str, Any]) -> None:
    """Add what the settings list, then what has a part or is special and is not yet there."""
    library, named = import_tokenizers(), named_tokens(said)
    if said.kind == AS_IT_STANDS and (padding := file.get("padding")):
        named.setdefault("pad_token", padding["pad_token"])
    there = engine.get_added_tokens_decoder().values()
    as_they_are = {repr(token) for token in there}
    new: list[str | AddedToken] = [
        token for _, token in sorted(said.added.items()) if repr(token) not in as_they_are
    ]
    known = {token.content for token in there} | {content(token) for token in new}
    order = dict.fromkeys(key for key in (*NAMED, *named) if key in named)
    for token in (*(named[key] for key in order), *extra_tokens(said)):
        if content(token) not in known and token not in new:
            new.append(token)
    parts = {content(token) for token in named.values()}
    tokens = []
    for token in new:
        if isinstance(token, str):
            tokens.append(library.AddedToken(token, special=True))
        else:
            token.special = token.special or token.content in parts
            tokens.append(token)
    engine.add_tokens(tokens)


def _require_numbers(engine: "Engine", said: Said, file: Mapping[str, Any]) -> None:
    """Refuse tokens whose numbers are not the listed ones, and those that a list leaves out."""
    where = f"{CONFIG}: added_tokens_decoder" if said.decoder else "added_tokens"
    for number, token in said.added.items():
        if (found := engine.token_to_id(token.content)) != number:
            raise InputError(
                f"{where} gives {quote(token.content)} the number {number}, but the vocabulary "
                f"and what comes before it lead to {found}"
            )
    there = {token.content for token in engine.get_added_tokens_decoder().values()}
    for entry in file.get("added_tokens", []):
        word = entry["content"]
        if word not in there or engine.token_to_id(word) != entry["id"]:
            raise InputError(
                f"{FILE} adds {quote(word)} as number {entry['id']}, which {where} leaves out"
            )


def _add_marks(engine: "Engine", said: Said, as_kept: "Engine | None") -> None:
    """Mark where texts start and end as the kind does, or as ALBERT's own file says."""
    add_marks(engine, said)
    if as_kept is None or as_kept.post_processor is None:
        return
    made, kept = _marks(engine), _marks(as_kept)
    names = MARKS.get(said.kind, ("add_bos_token",))
    if made == kept:
        return
    says = f"{FILE}: its post_processor puts {quote(kept)} around a text, but"
    if said.kind == "AlbertTokenizer":
        raise InputError(
            f"{says} {' and '.join(names)} of an {said.kind} are {quote(made)}; change one of them"
        )
    if not any(name in said.named for name in names):
        raise InputError(
            f"{says} a {said.kind} puts {quote(made)}; name {' and '.join(names)} in {CONFIG} or, "
            f'to take {FILE} as it stands, put "tokenizer_class": "{AS_IT_STANDS}" there'
        )


def _require_start(engine: "Engine", said: Said) -> None:
    """Raise InputError if a setting and the file disagree on a token at the start of a text."""
    start, wanted = said.named.get("bos_token"), said.settings["add_bos_token"]
    if start is None:
        return
    if (_marks(engine)[:1] == [content(start)]) != wanted:
        raise InputError(
            f"{CONFIG}: add_bos_token is {quote(wanted)}, but {FILE}, which is taken as it stands, "
            f"puts {quote(_marks(engine))} around a text; change one of them"
        )


def _marks(engine: "Engine") -> list[str]:
    empty = engine.encode("", add_special_tokens=False)
    tokens: list[str] = engine.post_process(empty).tokens
    return tokens


def _side(said: Said, file: Mapping[str, Any]) -> Literal["left", "right"]:
    default = (file.get("truncation") or {}).get("direction", "right").lower()
    side = said.settings.get("truncation_side", default)
    if side not in ("left", "right"):
        raise InputError(
            f"{CONFIG}: truncation_side must be 'left' or 'right', but is {quote(side)}"
        )
    return "left" if side == "left" else "right"


def _longest(said: Said) -> int | None:
    """Return how many tokens a text may have by the settings; None if they do not say."""
    length = said.settings.get("model_max_length", said.settings.get("max_len"))
    if length is None:
        return None
    if isinstance(length, bool) or not isinstance(length, int | float) or not length >= 1:
        raise InputError(
            f"{CONFIG}: model_max_length must be a number from 1 up, but is {quote(length)}"
        )
    return int(min(length, 2**31))
