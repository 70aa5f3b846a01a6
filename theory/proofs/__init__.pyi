from theory.proofs.certificates import as_bytes, seal
from theory.proofs.check import STATEMENTS, NoCertificateError
from theory.proofs.check import check as check_certificate

__all__ = [
    "STATEMENTS",
    "NoCertificateError",
    "as_bytes",
    "check_certificate",
    "seal",
]
