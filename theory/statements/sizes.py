"""Which whole numbers does an instance depend on, what do they mean, and which are typical?

A size is stored as a whole number from ``low`` to ``high``, both included; ``means`` says what
that is to whoever builds the instance.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from theory.records import brief_repr

TYPICAL_TOKENS, TYPICAL_FEATURES = 32, 64
"""What a Transformer's layer has, where the searches take a handful."""


@dataclass(frozen=True)
class Length:
    """How many there are of something: tokens, features, heads, layers, steps.

    ``typical`` may be beyond ``high``, which only keeps the searches quick; by default it is the
    least.
    """

    low: int
    high: int
    typical: int | None = None

    @property
    def plain(self) -> int:
        """The least remarkable number."""
        return 0 if self.low <= 0 <= self.high else self.low

    def means(self, number: int) -> int:
        """Return the number itself."""
        return number

    def typically(self) -> int:
        """Return what a layer of a Transformer has."""
        return self.low if self.typical is None else self.typical

    def draw(self, rng: np.random.Generator) -> int:
        """Draw any of them, each as often."""
        return int(rng.integers(self.low, self.high, endpoint=True))


@dataclass(frozen=True)
class Exponent:
    """By how many steps something is scaled: a power of two or ten, or so many quarters.

    Zero scales nothing; ``typical`` need be neither whole nor in the range.
    """

    low: int
    high: int
    typical: float = 0

    @property
    def plain(self) -> int:
        """The least remarkable number."""
        return 0 if self.low <= 0 <= self.high else self.low

    def means(self, number: int) -> int:
        """Return the number itself."""
        return number

    def typically(self) -> float:
        """Return what a layer of a Transformer has."""
        return self.typical

    def draw(self, rng: np.random.Generator) -> int:
        """Draw any of them; half the time zero, where there are some on both sides of it."""
        if self.low < 0 < self.high and rng.random() < 0.5:
            return 0
        return int(rng.integers(self.low, self.high, endpoint=True))


@brief_repr
@dataclass(frozen=True)
class Choice:
    """One of a few things, by name; what is stored is its place among them."""

    options: tuple[Any, ...]
    typical: Any = None

    @property
    def low(self) -> int:
        """The place of the first."""
        return 0

    @property
    def high(self) -> int:
        """The place of the last."""
        return len(self.options) - 1

    @property
    def plain(self) -> int:
        """The place of the first, which is the least remarkable."""
        return 0

    def means(self, number: int) -> Any:
        """Return what is at that place."""
        return self.options[number]

    def typically(self) -> Any:
        """Return what a layer of a Transformer has: the first by default."""
        return self.options[0] if self.typical is None else self.typical

    def draw(self, rng: np.random.Generator) -> int:
        """Draw any of them, each as often."""
        return int(rng.integers(0, self.high, endpoint=True))


Size: TypeAlias = Length | Exponent | Choice

FLAG = Choice((False, True))
"""Whether something is there; mostly not."""


def few_tokens(low: int, high: int) -> Length:
    """Return a number of tokens."""
    return Length(low, high, typical=TYPICAL_TOKENS)


def few_features(low: int, high: int) -> Length:
    """Return a number of features, or of what a map makes of them."""
    return Length(low, high, typical=TYPICAL_FEATURES)
