"""How do independent samples become an interval that misses the truth with a chance of alpha?"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from scipy import special  # scipy.stats takes half a second to load, for two quantiles

from theory.arrays import Floats, InputError

Method: TypeAlias = Literal["mean", "bounded mean", "proportion", "every"]
Found: TypeAlias = tuple[float, float, float]


def student(samples: Floats, bounds: tuple[float, float], alpha: float) -> Found:
    """Return the mean of the samples and its interval, as if they were normally distributed.

    Exact for normal samples. Others must themselves be averages of much: at a level of 1e-9 the
    normal tail is an assumption, not a theorem. ``bounds`` are not used.
    """
    del bounds
    mean = float(samples.mean())
    error = float(samples.std(ddof=1)) / samples.size**0.5
    # Equal samples do not know the mean better than their own last digits.
    error = max(error, 4 * float(np.finfo(np.float64).eps) * abs(mean))
    half = -float(special.stdtrit(samples.size - 1, alpha / 2)) * error
    return mean, mean - half, mean + half


def bernstein(samples: Floats, bounds: tuple[float, float], alpha: float) -> Found:
    """Return the mean and an interval that holds for any distribution within the bounds.

    Two one-sided empirical Bernstein bounds, at alpha / 2 each.

    Source: maurer2009, Theorem 4
    """
    low, high = bounds
    if not ((low <= samples) & (samples <= high)).all():
        raise InputError(f"samples must lie within the bounds {low} and {high}, but some do not")
    count, mean = samples.size, float(samples.mean())
    tail = float(np.log(4 / alpha))
    half = (2 * float(samples.var(ddof=1)) * tail / count) ** 0.5
    half += 7 * (high - low) * tail / (3 * (count - 1))
    return mean, max(mean - half, low), min(mean + half, high)


def clopper_pearson(samples: Floats, bounds: tuple[float, float], alpha: float) -> Found:
    """Return the share of ones among zeros and ones, with the exact binomial interval.

    ``bounds`` are not used.

    Source: clopper1934
    """
    del bounds
    if not np.isin(samples, (0.0, 1.0)).all():
        raise InputError("samples of a proportion must be zeros and ones, but some are not")
    ones, count = int(samples.sum()), samples.size
    # Not at level 1 - alpha: that has lost half of alpha's digits.
    lower = special.betaincinv(ones, count - ones + 1, alpha / 2) if ones else 0.0
    upper = special.betainccinv(ones + 1, count - ones, alpha / 2) if ones < count else 1.0
    return float(samples.mean()), float(lower), float(upper)


INTERVALS: dict[str, Callable[[Floats, tuple[float, float], float], Found]] = {
    "mean": student,
    "bounded mean": bernstein,
    "proportion": clopper_pearson,
}


def slopes(x: Floats, y: Floats) -> Floats:
    """Return the least-squares slope of every row of y against x, or against its own row of x.

    Shapes: x (m,) or (k, m); y (k, m); result (k,)
    """
    x = x - x.mean(axis=-1, keepdims=True)
    return np.asarray((x * y).sum(axis=-1) / (x * x).sum(axis=-1))
