"""Which checker is a certificate for, and what does it say?"""

import re
from importlib import import_module

from theory.arrays import InputError

STATEMENTS = {
    "law": "law",
    "law-basin": "law_basin",
    "residual-attention": "residual_attention",
    "activation-slope": "activation_slope",
    "smallest-counterexample": "smallest_counterexample",
}
"""The file in `theory.proofs.checkers` of each statement that can be proved."""

LONGEST = 2**26
"""How many bytes a certificate may have; most checkers take far less."""
_END = re.compile(
    rb'"sha256":"[0-9a-f]{64}","statement":"([a-z0-9-]{1,80})"\}$'
)  # keys are in order


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
    """Return the statement without parsing what may be hostile: it stands at the end."""
    if len(data) > LONGEST:
        raise NoCertificateError(f"a certificate has at most {LONGEST:,} bytes: {len(data):,} came")
    found = _END.search(data[-200:])
    if not data.startswith(b'{"claim":') or found is None:
        raise NoCertificateError("it is no certificate, or not all of one")
    if b',"oversmooth_certificate":1,"proof":' not in data:
        raise NoCertificateError("it is a certificate of another version than 1")
    statement = found[1].decode("ascii")
    if statement not in STATEMENTS:
        raise NoCertificateError(
            f"statement must be one of {', '.join(STATEMENTS)}, but is {statement!r}"
        )
    return statement
