"""What is a certificate, and how is it sealed?

JSON whose numbers are exact: whole numbers, fractions as strings "p/q", powers of two as
[mantissa, exponent], floats in hexadecimal. Never a decimal float. The digest notices damage; it
proves nothing, which is for the checker of the statement to do.
"""

import hashlib
import json
from typing import Any

VERSION = 1


def seal(statement: str, claim: dict[str, Any], proof: dict[str, Any]) -> dict[str, Any]:
    """Return the certificate of a statement, with the digest of the rest of it."""
    rest = {
        "oversmooth_certificate": VERSION,
        "statement": statement,
        "claim": claim,
        "proof": proof,
    }
    return {**rest, "sha256": hashlib.sha256(as_bytes(rest)).hexdigest()}


def as_bytes(certificate: dict[str, Any]) -> bytes:
    """Return a certificate as a file holds it: ASCII, keys in order, no blanks."""
    text = json.dumps(
        certificate, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return text.encode("ascii")
