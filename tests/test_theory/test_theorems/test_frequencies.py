"""Which factors of one step are true, and by how much is the sharp one smaller?"""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from theory.blocks.forward import softmax
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.theorems.attention.steps import Steps
from theory.theorems.catalogue import CATALOGUE

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("a", [0.0, 0.1, 1.0, 5.0])
def test_the_one_step_factor_never_says_that_differences_shrink(n: int, a: float) -> None:
    theorem = CATALOGUE["high-frequency-one-step"]
    at = Steps(np.eye(n), np.full((1, n, n), 1 / n), np.float64(a))
    verdict = check(theorem, at)
    assert verdict.status == "holds"
    assert verdict.lhs < 1e-14
    assert verdict.rhs >= np.sqrt(n - 1) * (1 - 1e-14)


@given(seed=SEEDS)
def test_the_sharp_factor_of_one_step_is_smaller_by_the_root_of_two_at_least(seed: int) -> None:
    at = draw(CATALOGUE["high-frequency-one-step"].domain, np.random.default_rng(seed)).instance
    sharp, published = (
        float(CATALOGUE[key].rhs(at))
        for key in ("high-frequency-one-step-sharp", "high-frequency-one-step")
    )
    assert sharp <= published / np.sqrt(2) * (1 + 1e-14)


@given(seed=SEEDS)
def test_with_two_tokens_even_the_form_without_n_is_true(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, size=(1, 2, 2)) * (a := rng.uniform(0, 8))
    at = Steps(np.asarray([[1.0], [-1.0]]), softmax(scores), np.float64(a))
    assert check(CATALOGUE["high-frequency-one-step-below-one"], at).status == "holds"
