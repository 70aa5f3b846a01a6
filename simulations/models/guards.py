"""How is a tokenizer from a stranger's file kept from hanging, and its panics from spreading?"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any, Final

from simulations.models.messages import reason
from theory.arrays import InputError

_MOST_GROWTH: Final = 1000
"""How many times longer its rules may make a text. Published ones stay below twenty."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn whatever the tokenizers library raises into an InputError that begins with ``what``.

    A panic in its Rust code is a BaseException of a class that cannot be imported. The library
    raises nothing narrower than Exception for the rest.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise InputError(f"{what}: {reason(error)}") from error
        raise


@contextmanager
def panics_unprinted() -> Iterator[None]:
    """Keep a panic's own report off the standard error, as an error will tell of it.

    Rust prints it past Python. All else that was printed meanwhile is printed at the end.
    """
    _flush()
    with ExitStack() as stack:
        try:
            kept = os.dup(2)
            stack.callback(os.close, kept)
            meanwhile = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # there is no standard error, or no place to keep it
            yield
            return
        os.dup2(meanwhile.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            _flush()
            os.dup2(kept, 2)
            if not failed:
                _print_again(meanwhile)


def _flush() -> None:
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # it may be closed
            sys.stderr.flush()


def _print_again(meanwhile: IO[bytes]) -> None:
    meanwhile.seek(0)
    with suppress(OSError):  # a full disk has no room for it
        while chunk := meanwhile.read(1 << 16):
            os.write(2, chunk)


def require_bounded(normalizer: Mapping[str, Any] | None) -> None:
    """Raise InputError if a tokenizer.json's normaliser may make texts endlessly longer.

    Thirty rules that write "aa" for "a" make a letter a thousand million letters. Each
    rule's worst growth is bounded, and the bounds multiplied.
    """
    if growth(normalizer) > _MOST_GROWTH:
        raise InputError(
            "tokenizer.json: its normalizer may make a text more than "
            f"{_MOST_GROWTH} times longer: its Replace rules feed each other"
        )


def growth(step: Any) -> float:
    """Return a bound on how many times longer a normaliser's Replace rules make a text."""
    if not isinstance(step, Mapping):
        return 1.0
    if step.get("type") == "Sequence":
        total = 1.0
        for inner in step.get("normalizers", []):
            total = min(total * growth(inner), 1e300)
        return total
    if step.get("type") != "Replace":
        return 1.0
    new, pattern = len(step["content"]), step["pattern"]
    # A regular expression may match between any two letters; a text, its own length at least.
    return max(1.0, new / len(pattern["String"])) if pattern.get("String") else 1.0 + new
