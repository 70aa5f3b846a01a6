"""Which checker is a certificate for, and what does it say?"""

import json
from importlib import import_module

from theory.arrays import InputError

STATEMENTS = {
    "law": "law",
    "law-basin": "law_basin",
    "residual-attention": "residual_attention",
}
"""The file in `theory.proofs.checkers` of each statement that can be proved."""

LONGEST = 2**26
"""How many bytes a certificate may have; most checkers take far less."""


class NoCertificateError(InputError):
    """It is no certificate, or one of a statement or a version that is not known here."""


def check(data: bytes) -> str:
    """Return in one sentence what a certificate proves, once its checker has gone through it.

    Raises: NoCertificateError if it is none; InputError if its checker needs a package that is not
            installed; ValueError, with the reason, if it proves nothing
    """
    statement = _statement(data)
    try:
        checker = import_module(f"theory.proofs.checkers.{STATEMENTS[statement]}")
    except ModuleNotFoundError as error:
        raise InputError(
            f"checking {statement} needs the package {error.name}: pip install 'oversmooth[proof]'"
        ) from error
    return str(checker.check(data))


def _statement(data: bytes) -> str:
    if len(data) > LONGEST:
        raise NoCertificateError(
            f"a certificate has at most {LONGEST:,} bytes, but this {len(data):,}"
        )
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NoCertificateError(f"it is no certificate, for it is no JSON: {error}") from error
    if not isinstance(whole, dict) or whole.get("oversmooth_certificate") != 1:
        raise NoCertificateError(
            "it is no certificate of version 1: see oversmooth_certificate in it"
        )
    statement = whole.get("statement")
    if not isinstance(statement, str) or statement not in STATEMENTS:
        raise NoCertificateError(
            f"statement must be one of {', '.join(STATEMENTS)}, but is {str(statement)[:60]!r}"
        )
    return statement
