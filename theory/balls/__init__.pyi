from theory.balls.verdicts import CertifiedVerdict, certify, certify_built

__all__ = [
    "CertifiedVerdict",
    "certify",
    "certify_built",
]
