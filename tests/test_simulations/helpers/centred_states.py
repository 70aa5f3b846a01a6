"""Which centred tokens do the tests start from, and how many digits do they ask for?"""

import math
from typing import Any

import numpy as np

from simulations.centred.maps import Centred
from tests.helpers.blocks import Floats, random_tokens

N, D = 4, 6
CAUSAL = np.tri(N, dtype=bool)
SPREADS = (-1.5, -3.0, -9.0, -40.0, -299.0, -320.0)
DIGITS = 1e-11


def start(spread: float, *, seed: int = 0) -> Centred:
    """Return tokens at a distance of 10**spread from consensus, which may be no float."""
    deviations = random_tokens(seed, N, D)
    deviations -= deviations.mean(axis=0)
    deviations /= np.linalg.norm(deviations)
    log = np.asarray(spread * math.log(10))
    return Centred(random_tokens(seed + 1, 1, D), deviations, log)


def column_centred(matrix: Floats) -> Floats:
    centred: Floats = matrix - matrix.mean(axis=-2, keepdims=True)
    return centred


CASES: dict[str, dict[str, Any]] = {
    "relu": {"activation": "relu"},
    "gelu": {"activation": "gelu"},
    "gelu_tanh": {"activation": "gelu_tanh"},
    "silu": {"activation": "silu"},
    "tanh": {"activation": "tanh"},
    "identity": {"activation": "identity"},
    "plain": {"plain": True},
    "pre": {"placement": "pre"},
    "sandwich": {"placement": "sandwich"},
    "rms": {"kind": "rms"},
    "rms pre": {"kind": "rms", "placement": "pre"},
    "eps": {"eps": 1e-2},
    "tau": {"tau": 2.5},
    "fixed": {"fixed_std": 1.5},
    "no norm": {"kind": "none", "weight": 0.5},
    "no residual": {"residual": 0.0},
    "large weights": {"weight": 20.0, "activation": "tanh"},
    "no feed-forward": {"feed_forward": False},
    "one matrix": {"factored": False},
    "quick_gelu": {"activation": "quick_gelu"},
    "gated": {"gated": True, "activation": "silu"},
    "gated relu": {"gated": True, "activation": "relu", "kind": "rms"},
    "parallel": {"placement": "parallel"},
    "gated parallel": {"gated": True, "placement": "parallel", "kind": "rms"},
    "two scales": {"residual_attention": 0.6, "residual_ffn": -1.4, "placement": "pre"},
}
