from theory.proofs.basin import Basin, prove_basin
from theory.proofs.certificates import as_bytes, seal
from theory.proofs.check import STATEMENTS, NoCertificateError
from theory.proofs.check import check as check_certificate
from theory.proofs.law import LawProof, ModeBounds, prove_law

__all__ = [
    "STATEMENTS",
    "Basin",
    "LawProof",
    "ModeBounds",
    "NoCertificateError",
    "as_bytes",
    "check_certificate",
    "prove_basin",
    "prove_law",
    "seal",
]
