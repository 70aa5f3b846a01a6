"""Which tokens and three layers are traced, and when are two traces alike?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.helpers.blocks import random_block, random_tokens

N, D, DEPTH = 5, 6, 3
CAUSAL = np.tri(N, dtype=bool)
STACK = [random_block(seed) for seed in range(DEPTH)]
TOKENS = random_tokens(0, N, D)
ENDS = {
    f"{name}_{end}" for name in ("lambda", "s", "v", "v_diameter") for end in ("lower", "upper")
}
ENVELOPES = {"log10_envelope", "log10_envelope_v", "log10_envelope_diameter"}
BOUNDS = (
    {"rounding", "v_error", "saturation"} | ENDS | ENVELOPES
)  # one arithmetic may have tighter ones than another
Measures = Mapping[str, Any]


def assert_close(found: Measures, wanted: Measures, *, names: Any = None) -> None:
    shared = sorted(found.keys() & wanted.keys()) if names is None else names
    assert len(shared) >= 1
    for name in shared:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, atol=1e-11, err_msg=name)
