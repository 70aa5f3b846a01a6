"""What do gates, parallel sublayers and two residual scales change in the derived coefficient?"""

import sympy as sp

from theory.blocks.weights import PLACEMENTS
from theory.symbolic.coefficient import (
    GATE_PEAK,
    HEADS,
    HIDDEN_PEAK,
    LAMBDA,
    LIPSCHITZ,
    PLAIN,
    RESIDUAL,
    RESIDUAL_ATTENTION,
    RESIDUAL_FFN,
    SIGMA_1,
    SIGMA_2,
    S,
    block_coefficient,
    gated_coefficient,
)
from theory.symbolic.lemmas import product_identity


def test_a_gate_puts_the_peaks_of_its_factors_in_the_place_of_the_lipschitz_constant() -> None:
    gated = LIPSCHITZ * HIDDEN_PEAK + GATE_PEAK
    for placement in PLACEMENTS:
        wanted = block_coefficient(placement).subs(LIPSCHITZ, gated)
        assert sp.expand(block_coefficient(placement, gated=True) - wanted) == 0
    assert sp.expand(gated_coefficient() - gated * S**2) == 0
    left, right = product_identity()
    assert left != right
    assert sp.expand(left - right) == 0


def test_a_parallel_block_adds_what_the_others_multiply() -> None:
    root = sp.sqrt(LAMBDA) * HEADS * S / SIGMA_1
    plain = block_coefficient("parallel").subs(PLAIN)
    assert sp.expand(plain - (1 + root + S**2 / SIGMA_2)) == 0
    pre = block_coefficient("pre").subs(PLAIN)
    assert sp.expand(pre - plain - root * S**2 / SIGMA_2) == 0, "at the same sigmas, pre is larger"


def test_two_equal_scales_are_one() -> None:
    for placement in PLACEMENTS:
        two = block_coefficient(placement, two_scales=True)
        same = two.subs({RESIDUAL_ATTENTION: RESIDUAL, RESIDUAL_FFN: RESIDUAL})
        assert sp.expand(same - block_coefficient(placement)) == 0
        assert RESIDUAL_ATTENTION in two.free_symbols
        assert (RESIDUAL_FFN in two.free_symbols) == (placement != "parallel")
