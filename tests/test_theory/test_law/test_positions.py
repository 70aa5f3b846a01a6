"""Is the law on the walks of equal tokens the derivative of a block whose scores have positions?"""

from typing import Any

import numpy as np
import pytest

from tests.helpers.blocks import PLACEMENTS, Floats, positioned, random_block, random_tokens
from theory.blocks.forward import apply_block, consensus_walks
from theory.graphs.masks import causal_mask
from theory.law.cocycle import apply_step
from theory.law.synchronised import linearise

N = 5
KINDS: dict[str, dict[str, Any]] = {
    "biases": {"rotary": ""},
    "turned": {"bias": ""},
    "all": {"layout": "interleaved", "window": 3, "soft_cap": 1.5, "head_norms": True},
}


def slope_of(block: Any, token: Floats, deviations: Floats, mask: Any) -> Floats:
    """Return by differences what a block does to small deviations from equal tokens."""
    t = 1e-5
    plus, minus = (
        apply_block(block, token + s * t * deviations, mask=mask).output for s in (1, -1)
    )
    return np.asarray((plus - minus) / (2 * t))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_weights_change_with_the_tokens_and_still_leave_nothing_at_first_order(
    kind: str, placement: Any
) -> None:
    """Caps and head norms are in the walk or nowhere: changes of a row's shares sum to zero."""
    block = positioned(random_block(3, placement=placement), 4, N, **KINDS[kind])
    token, deviations, mask = random_tokens(5, 6), random_tokens(6, N, 6), causal_mask(N)
    step = linearise(block, token)
    walks = consensus_walks(block.attention, step.listening, N, mask=mask)
    wanted = apply_step(step, walks, deviations)
    found = slope_of(block, token, deviations, mask)
    assert np.abs(found - wanted).max() <= 1e-8 * np.abs(wanted).max() + 1e-7
    plain = apply_step(step, np.asarray([mask / mask.sum(axis=-1, keepdims=True)]), deviations)
    assert np.abs(found - plain).max() > 1e-3 * np.abs(wanted).max()  # the walks are seen
