"""What does a certificate prove, said by the checker of its statement?

The checkers stand alone; here what they say of files becomes what this house says of input.
"""

from theory.arrays import InputError
from theory.proofs.checkers import by_statement, envelope

STATEMENTS, LONGEST = by_statement.STATEMENTS, by_statement.LONGEST


class NoCertificateError(InputError):
    """It is no certificate, or one of a statement or a version that is not known here."""


def check(data: bytes) -> str:
    """Return in one sentence what a certificate proves, once its checker has gone through it.

    Raises: NoCertificateError if it is none; InputError if its checker needs a package that is not
            installed; ValueError, with the reason, if it proves nothing
    """
    try:
        return by_statement.check(data)
    except envelope.NoCertificateError as error:
        raise NoCertificateError(str(error)) from None
    except ModuleNotFoundError as error:
        raise InputError(
            f"checking it needs the package {error.name}: pip install 'oversmooth[proof]'"
        ) from error
