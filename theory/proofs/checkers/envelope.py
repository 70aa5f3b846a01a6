"""Is a file a certificate of this statement, whole and as it was sealed?

All checkers ask this first: the size before anything is parsed, the version, the statement, every
key, how it is written, the sha256 of the rest. Numbers are whole, and have so many digits at most.
The digest notices damage and proves nothing. Standard library only.
"""

import hashlib
import json
import re
from fractions import Fraction
from typing import Any

KEYS = ("oversmooth_certificate", "statement", "claim", "proof", "sha256")


class NoCertificateError(ValueError):
    """It is no certificate of this statement."""


def require(true: object, line: str) -> None:
    if not true:
        raise ValueError(line)


def fields(found: Any, *names: str) -> list[Any]:
    right = type(found) is dict and set(found) == set(names)
    require(right, f"where {', '.join(names)} must be, something else is")
    return [found[name] for name in names]


def whole(found: Any, low: int, high: int) -> int:
    require(type(found) is int and low <= found <= high, "a whole number is out of range")
    return int(found)


def rational(text: Any) -> Fraction:
    right = isinstance(text, str) and re.fullmatch(r"[1-9][0-9]{0,30}(/[1-9][0-9]{0,30})?", text)
    require(right and str(Fraction(text)) == text, "a fraction must be p/q in lowest terms")
    return Fraction(text)


def written(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def read(data: bytes, statement: str, *, longest: int, digits: int = 30) -> tuple[Any, Any]:
    """Return claim and proof, once the envelope is in order."""

    def number(text: str) -> int:
        bare = text.removeprefix("-")
        right = bare.isdigit() and len(bare) <= digits
        require(right, f"a number is not whole, or has over {digits} digits")
        return int(text)

    try:
        require(len(data) <= longest, f"it has more than {longest} bytes")
        kinds: Any = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), number)
        envelope = json.loads(data.decode("ascii"), **kinds)
        version, name, claim, proof, digest = fields(envelope, *KEYS)
        require(type(version) is int and version == 1, "it is of another version")
        require(name == statement, "it is of another statement")
    except (ValueError, RecursionError) as error:
        raise NoCertificateError(f"no certificate of {statement}: {error}") from None
    right = "it is not written as certificates are, or a key comes twice"
    require(written(envelope) == data, right)
    del envelope["sha256"]
    digested = hashlib.sha256(written(envelope)).hexdigest()
    require(digested == digest, "it is damaged: see its sha256")
    return claim, proof
