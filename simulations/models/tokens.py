"""Which tokens is a text, for a given model?"""

import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from simulations.models.checkpoint import Tokenizer, tokenizer_of
from simulations.models.guards import panics_unprinted, told
from simulations.models.messages import quote
from theory.arrays import InputError
from theory.records import brief_repr

if TYPE_CHECKING:
    from simulations.models.checkpoint import Checkpoint


@brief_repr
class Encoded(NamedTuple):
    """A padded batch of texts as token numbers.

    Shapes: ids (b, n) int64; token_mask (b, n) boolean, False at padding; special_mask (b, n)
            boolean, True at the tokens that mark the text's start and end; truncated (b,)
            boolean, True where tokens were cut off; pieces, the tokens as strings, unpadded;
            prefix, what was put before every text: its tokens are among the others; pixels
            (b, c, side, side), the images themselves where it is images, or None
    """

    ids: NDArray[np.int64]
    token_mask: NDArray[np.bool_]
    special_mask: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    pieces: tuple[tuple[str, ...], ...]
    prefix: str
    pixels: NDArray[Any] | None = None


class Line(str):
    """A text that knows the number of its line in the file that it came from, from 1 up."""

    number: int

    def __new__(cls, text: str, number: int) -> Self:
        """Return a string with a number."""
        line = super().__new__(cls, text)
        line.number = number
        return line

    def __getnewargs__(self) -> tuple[str, int]:  # type: ignore[override]
        """Give what a copy is made from."""
        return str(self), self.number


def import_tokenizers() -> ModuleType:
    """Return the library that splits texts; it is an extra.

    Raises: InputError with the command that installs it
    """
    try:
        import tokenizers
    except ImportError as error:
        raise InputError(missing_extra("tokenizers")) from error
    return tokenizers


def missing_extra(library: str) -> str:
    """Return what to say where a library that reads checkpoints is not installed."""
    return (
        f"reading a checkpoint needs the package {library}, which is not installed; "
        "run: pip install 'oversmooth[pretrained]'"
    )


def encode(
    checkpoint: "Checkpoint",
    texts: Sequence[str],
    *,
    max_length: int | None = None,
    prefix: str | None = None,
) -> Encoded:
    """Split every text into tokens and pad the shorter ones at their end.

    ``max_length`` counts the special tokens and the prefix; what goes beyond it is cut off and
    noted in ``truncated``. Without it the model's own limit holds, or the tokenizer's where that
    is smaller, and cutting also warns.
    ``prefix`` replaces the model's own, `Tokenizer.prefix`, which stands if it is None; "" puts
    nothing before the texts. Its tokens are not marked as special.

    Raises: InputError if there is no text, a text has no tokens or cannot be split, max_length
            leaves no room, or a text or the prefix is not Unicode
    """
    encodings, truncated = [], []
    prefix = tokenizer_of(checkpoint).prefix if prefix is None else prefix
    with panics_unprinted():
        for number, one in enumerate(_each(checkpoint, texts, max_length, prefix)):
            if one is None:
                name, text = _name(number, texts[number]), quote(str(texts[number]))
                raise InputError(f"{name} has no tokens: it is {text}")
            encodings.append(one[0])
            truncated.append(one[1])
    if max_length is None and any(truncated):
        warnings.warn(
            f"{sum(truncated)} of {len(texts)} texts are longer than the "
            f"{longest_text(checkpoint)} tokens that {quote(checkpoint.name)} can read; "
            "their ends are cut off",
            stacklevel=2,
        )
    names = [_name(number, text) for number, text in enumerate(texts)]
    return _batch(checkpoint, names, encodings, truncated, prefix)


class LongEnough(NamedTuple):
    """The texts of a list of which two or more tokens count, the others named.

    Shapes: rows (b,), the place of each among all texts; encoded, these, or None if there are
            none; short, what an error calls the others
    """

    rows: NDArray[np.int64]
    encoded: Encoded | None
    short: tuple[str, ...]


def encode_long_enough(
    checkpoint: "Checkpoint",
    texts: Sequence[str],
    *,
    max_length: int,
    prefix: str | None = None,
    skip_special: bool = False,
    first: int = 0,
) -> LongEnough:
    """Split texts as `encode` does, those with fewer than two tokens to measure left out.

    ``skip_special`` says that special tokens do not count; the first text is called ``first``
    in errors.

    Raises: InputError as `encode` does, but for a text without tokens
    """
    prefix = tokenizer_of(checkpoint).prefix if prefix is None else prefix
    rows, short, encodings, truncated = [], [], [], []
    with panics_unprinted():
        for row, one in enumerate(_each(checkpoint, texts, max_length, prefix, first=first)):
            if one is None or _counted(one[0], skip_special) < 2:
                short.append(_name(first + row, texts[row]))
            else:
                rows.append(row)
                encodings.append(one[0])
                truncated.append(one[1])
    names = [_name(first + row, texts[row]) for row in rows]
    found = _batch(checkpoint, names, encodings, truncated, prefix) if rows else None
    return LongEnough(np.asarray(rows, dtype=np.int64), found, tuple(short))


def _counted(encoding: Any, skip_special: bool) -> int:
    special = sum(encoding.special_tokens_mask) if skip_special else 0
    return len(encoding.ids) - special


def _each(
    checkpoint: "Checkpoint",
    texts: Sequence[str],
    max_length: int | None,
    prefix: str,
    *,
    first: int = 0,
) -> Iterator[tuple[Any, bool] | None]:
    """Yield each text's encoding and whether it was cut; None for one that has no tokens."""
    tokenizer = tokenizer_of(checkpoint)
    _require_unicode("prefix", prefix)
    limit = _room(checkpoint, prefix, max_length)
    _require_texts(texts, first)
    for number, text in enumerate(texts, start=first):
        with told(f"{_name(number, text)} cannot be split"):
            bare = _split(tokenizer, text)
        if not bare.ids:
            yield None
            continue
        with told(f"{_name(number, text)} cannot be split"):
            encoding = _split(tokenizer, prefix + text) if prefix else bare
            cut = len(encoding.ids) > limit
            encoding.truncate(limit, direction=tokenizer.cut)
            encoding = tokenizer.engine.post_process(encoding)
        yield encoding, cut


def _room(checkpoint: "Checkpoint", prefix: str, max_length: int | None) -> int:
    """Return how many tokens of prefix and text fit between the special ones."""
    longest = checkpoint.architecture.longest
    special = tokenizer_of(checkpoint).engine.num_special_tokens_to_add(False)
    with panics_unprinted(), told("prefix cannot be split"):
        needed = special + len(_split(tokenizer_of(checkpoint), prefix).ids) + 1
    wanted = longest_text(checkpoint) if max_length is None else max_length
    if not needed <= wanted <= longest:
        raise InputError(
            f"max_length must be from {needed} (special tokens, prefix and one more) to {longest} "
            f"(the positions that {quote(checkpoint.name)} has), but is {wanted}"
        )
    return wanted - special


def longest_text(checkpoint: "Checkpoint") -> int:
    """Return how many tokens a text may have by the model and by its tokenizer's settings."""
    by_model, by_settings = checkpoint.architecture.longest, tokenizer_of(checkpoint).longest
    return by_model if by_settings is None else min(by_model, by_settings)


def require_two_tokens(texts: Sequence[str], counted: NDArray[np.bool_]) -> None:
    """Raise InputError, with the first text's name, where fewer than two tokens count.

    Shapes: counted (b, n) boolean
    """
    for number, count in enumerate(counted.sum(axis=1)):
        if count < 2:
            raise InputError(
                f"{_name(number, texts[number])} must have at least 2 tokens that count, but has "
                f"{count}: it is {quote(str(texts[number]))}"
            )


def _require_texts(texts: Sequence[str], first: int) -> None:
    if isinstance(texts, str):
        raise InputError("texts must be a list of strings, but is one string: write [text]")
    if len(texts) == 0:
        raise InputError("texts must hold at least one text, but is empty")
    for number, text in enumerate(texts, start=first):
        _require_unicode(_name(number, text), text)


def _name(number: int, text: object) -> str:
    """Return what an error calls a text: empty lines of a file are no texts, so lines count."""
    line = f" (line {text.number} of the file)" if isinstance(text, Line) else ""
    return f"texts[{number}]{line}"


def _require_unicode(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise InputError(f"{name} must be a string, but is a {type(text).__name__}")
    if has_surrogate(text):
        raise InputError(
            f"{name} must be valid Unicode, but has half a character (a surrogate): "
            f"it is {quote(text)}"
        )


def has_surrogate(text: str) -> bool:
    """Whether a text holds half a character, which no engine takes."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _split(tokenizer: Tokenizer, text: str) -> Any:
    """Return the engine's encoding of a text, without special tokens."""
    clean = text.translate(tokenizer.characters)
    return tokenizer.engine.encode(clean, add_special_tokens=False)


def _batch(
    checkpoint: "Checkpoint",
    names: Sequence[str],
    encodings: list[Any],
    truncated: list[bool],
    prefix: str,
) -> Encoded:
    shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
    ids = np.full(shape, tokenizer_of(checkpoint).pad_id, dtype=np.int64)
    token_mask, special_mask = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for row, encoding in enumerate(encodings):
        length = len(encoding.ids)
        ids[row, :length] = encoding.ids
        token_mask[row, :length] = True
        special_mask[row, :length] = np.asarray(encoding.special_tokens_mask, dtype=bool)
    if ids.max() >= checkpoint.architecture.vocabulary:
        row = int(ids.max(axis=1).argmax())
        raise InputError(
            f"the tokenizer of {quote(checkpoint.name)} gives {names[row]} the token "
            f"number {ids.max()}, but the model has rows for "
            f"{checkpoint.architecture.vocabulary}: they do not belong together"
        )
    pieces = tuple(tuple(encoding.tokens) for encoding in encodings)
    cut = np.asarray(truncated, dtype=bool)
    return Encoded(ids, token_mask, special_mask, cut, pieces, prefix)
