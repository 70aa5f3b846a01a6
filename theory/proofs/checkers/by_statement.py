"""Which checker is a certificate for, and what does it say? Standard library only."""

import re
from importlib import import_module

from .envelope import NoCertificateError

STATEMENTS = {
    "law": "law",
    "law-basin": "law_basin",
    "residual-attention": "residual_attention",
    "activation-slope": "activation_slope",
    "smallest-counterexample": "smallest_counterexample",
}
"""The file of each statement that can be proved."""

LONGEST = 2**26
"""How many bytes a certificate may have; most checkers take far less."""
END = re.compile(rb'"sha256":"[0-9a-f]{64}","statement":"([a-z0-9-]{1,80})"\}$')  # keys in order


def check(data: bytes) -> str:
    """Return in one sentence what a certificate proves, once its checker has gone through it.

    Raises: NoCertificateError if it is none; ModuleNotFoundError if its checker needs a package
            that is not installed; ValueError, with the reason, if it proves nothing
    """
    return str(import_module(f".{STATEMENTS[named(data)]}", __package__).check(data))


def named(data: bytes) -> str:
    """Return the statement without parsing what may be hostile: it stands at the end."""
    if len(data) > LONGEST:
        raise NoCertificateError(f"a certificate has at most {LONGEST:,} bytes: {len(data):,} came")
    found = END.search(data[-200:])
    if not data.startswith(b'{"claim":') or found is None:
        raise NoCertificateError("it is no certificate, or not all of one")
    if b',"oversmooth_certificate":1,"proof":' not in data:
        raise NoCertificateError("it is a certificate of another version than 1")
    statement = found[1].decode("ascii")
    if statement not in STATEMENTS:
        known = ", ".join(STATEMENTS)
        raise NoCertificateError(f"statement must be one of {known}, but is {statement!r}")
    return statement
