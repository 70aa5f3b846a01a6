"""What do several theorems measure of their instances, and how do they build these?"""

from theory.arrays import Array, constant, namespace
from theory.magnitude import frobenius_norm


def flag(broken: bool, *, like: Array) -> Array:
    """Return 1 or 0 for every member of a batch, as a violation: (*b,) -> (*b,)."""
    return namespace(like).zeros_like(like) + float(broken)


def varies(shared: Array) -> Array:
    """Return how much what every token gets differs from token to token: (*b, n, c) -> (*b,)."""
    xp = namespace(shared)
    return xp.max(xp.abs(shared - shared[..., :1, :]), axis=(-2, -1))


def most_negative(matrices: Array) -> Array:
    """Return minus the smallest entry: (*b, p, q) -> (*b,)."""
    return -namespace(matrices).min(matrices, axis=(-2, -1))


def asymmetry(matrices: Array) -> Array:
    """Return the largest difference of an entry and its mirror image: (*b, n, n) -> (*b,)."""
    xp = namespace(matrices)
    return xp.max(xp.abs(matrices - xp.matrix_transpose(matrices)), axis=(-2, -1))


def root_of(number: float, *, like: Array) -> Array:
    """Return the square root of a whole number, to all the digits of ``like``."""
    return constant(number, like=like) ** 0.5


def to_norm_one(matrices: Array) -> Array:
    """Divide by the Frobenius norm over the last two axes, if that is not zero."""
    xp, size = namespace(matrices), frobenius_norm(matrices)[..., None, None]
    return matrices / xp.where(size > 0, size, xp.ones_like(size))


def bounded_scores(free: Array, most: float) -> Array:
    """Map any numbers smoothly to scores between plus and minus ``most``."""
    return most * free / (1 + namespace(free).abs(free))
