"""How far may a distance be from the exact one?"""

from tests.test_theory.helpers.exact import EPS, Floats


def allowed_error(tokens: Floats) -> float:
    """Return what the docstring of consensus_distance allows, relative."""
    n, d = tokens.shape[-2:]
    return float((n * d + n + 8) * EPS)
