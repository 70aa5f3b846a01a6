"""How are many standard normals drawn at once, faster than one by one?"""

import math

import numpy as np

from simulations.stacks.seeds import sequence
from theory.arrays import Array

_WORDS = 2**13
"""Random words at a time: a part of the stream's definition, as many as stay in the cache."""


class Normals:
    """The stream of standard normals that belongs to a seed and a key, in single precision.

    By Box and Muller: a 64-bit word makes a radius of its lower and an angle of its upper half,
    and so two normals, all by NumPy's vectorised logarithm, sine and cosine. That takes a third
    of the time of `numpy.random.Generator.standard_normal`. In float64 they are the same numbers.
    As with all of NumPy's streams, another processor or version may differ in the last digit.

    What single precision does to them: none is larger than sqrt(66 log 2) = 6.764 in size, where
    a normal would be with probability 1.3e-11, and the radii next to that are 6.60 and 6.52. The
    smallest radius but zero is 3.5e-4, and zero comes once in 2^25: as a product of radius and
    cosine, small normals have no such gap, but an exact 0 comes as often.

    Source: box1958
    """

    def __init__(self, seed: int, *key: str | int) -> None:
        # The same entropy as everywhere, but a generator twice as fast as the counter-based one.
        self._bits = np.random.SFC64(sequence(seed, *key))

    def draw(self, *shape: int) -> Array:
        """Return an array of the next ones, in float64."""
        out = np.empty(shape)
        self.fill(out.reshape(-1))
        return out

    def fill(self, out: Array, *, std: float = 1.0) -> None:
        """Fill a contiguous vector, of either dtype; an odd length leaves the last normal out."""
        room = out if out.dtype == np.float32 else np.empty(min(len(out), 2 * _WORDS), np.float32)
        for start in range(0, len(out), 2 * _WORDS):
            part = out[start : start + 2 * _WORDS]
            drawn = part if room is out else room[: len(part)]
            self._fill_part(drawn, std)
            if drawn is not part:
                part[...] = drawn

    def _fill_part(self, part: Array, std: float) -> None:
        half = (len(part) + 1) // 2
        words = self._bits.random_raw(half).astype("<u8", copy=False).view("<u4")
        radius, angle = (words[i::2].astype(np.float32) for i in range(2))
        radius += np.float32(0.5)  # no logarithm of zero
        radius *= np.float32(2.0**-32)
        np.log(radius, out=radius)
        radius *= np.float32(-2 * std * std)
        np.sqrt(radius, out=radius)
        angle *= np.float32(2 * math.pi * 2.0**-32)
        np.cos(angle, out=part[:half])
        part[:half] *= radius
        left = len(part) - half
        np.sin(angle, out=angle)
        np.multiply(angle[:left], radius[:left], out=part[half:])
