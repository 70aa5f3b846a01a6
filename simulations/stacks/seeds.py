"""Which random numbers belong to a seed and to the parameters that define a draw."""

import hashlib
import json

import numpy as np

from theory.arrays import InputError


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """Return the generator of one draw: the same seed and key, the same numbers, everywhere.

    The key names what is drawn and the parameters that define it (shapes, layer, ensemble),
    never those that only scale it (gains, tau, temperature). Adding draws changes no other.
    Numbers are drawn on the host with NumPy and moved afterwards, so backends agree.

    Raises: InputError if the seed is negative
    """
    return np.random.Generator(np.random.Philox(sequence(seed, *key)))


def sequence(seed: int, *key: str | int) -> np.random.SeedSequence:
    """Return what any of NumPy's bit generators starts from, as `generator` does."""
    if seed < 0:
        raise InputError(f"seed must not be negative, but is {seed}")
    digest = hashlib.sha256(json.dumps([seed, *key]).encode()).digest()
    # An array of 32 bits each is what NumPy makes of a list of numbers, in ten times the time.
    entropy = np.frombuffer(digest, np.uint8).astype(np.uint32)
    return np.random.SeedSequence(entropy)
