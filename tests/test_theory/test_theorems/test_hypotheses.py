"""Can every hypothesis of every theorem be seen to break?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from theory.blocks.positions import Positions
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.instances import leaves, map_arrays
from theory.theorems.block.input import STDS
from theory.theorems.catalogue import CATALOGUE

# These are not about numbers in an array, or about one that is computed on the way.
_OTHERWISE = {
    STDS.name,
    "post-LN with true LayerNorm, eps = 0, no bias",
    "gains, tau and residual scale are one; there is a feed-forward",
    "phi(a x) = a phi(x) for a > 0; no bias in queries or keys",
    "the block is post-LN",
    "norm_2 has no gain; the residual scale is not zero",
    "all listen to all, without biases",
    "the block ends with a norm that divides by each std",
}
# These tell an instance from what other theorems make of the same class.
_KINDS = {
    "M is consensus",
    "there is one layer",
    "there is one head",
    "the block is parallel, with a feed-forward sublayer and no gate",
    *(f"the norm is {kind}" for kind in ("LayerNorm", "RMSNorm")),
    *(f"the layers are fused by the {kind} alone" for kind in ("factors", "matrices", "gate")),
    "the layers are fused by their maximum alone",
}


def _spoiled(instance: Any, rng: np.random.Generator) -> Any:
    """Return the instance with one entry changed much, or with a mask that hides everything."""
    chosen = int(rng.integers(len(list(leaves(instance)))))
    number = -1

    def spoil(array: Any, _: object) -> Any:
        nonlocal number
        number += 1
        if number != chosen:
            return array
        new = np.array(array)
        flat = new.reshape(-1)
        i = int(rng.integers(flat.size))
        if new.dtype == np.bool_:
            flat[:] = False if rng.random() < 0.5 else flat
            flat[i] = ~flat[i]
        else:
            flat[i] = (-5.0, 100.0, 0.0)[rng.integers(3)] * max(1.0, float(np.abs(flat).max()))
        return new

    return map_arrays(spoil, instance)


@pytest.mark.parametrize("key", [key for key, each in CATALOGUE.items() if each.hypotheses])
def test_every_hypothesis_about_numbers_is_broken_by_changing_one(key: str) -> None:
    theorem, rng = CATALOGUE[key], np.random.default_rng(0)
    wanted = {hypothesis.name for hypothesis in theorem.hypotheses} - _OTHERWISE - _KINDS
    broken: set[str] = set()
    for _ in range(300):
        if wanted <= broken:
            break
        at = _spoiled(draw(theorem.domain, rng).instance, rng)
        broken |= set(check(theorem, at).reasons)
    assert wanted <= broken


def test_every_hypothesis_about_the_kind_is_broken_by_an_instance_of_a_sibling() -> None:
    rng, left = np.random.default_rng(1), set(_KINDS)
    for theorem in CATALOGUE.values():
        wanted = _KINDS & {hypothesis.name for hypothesis in theorem.hypotheses}
        siblings = [other for other in CATALOGUE.values() if other.about is theorem.about]
        broken: set[str] = set()
        for other in siblings * 8 if wanted else ():
            broken |= set(check(theorem, draw(other.domain, rng).instance).reasons)
        assert wanted <= broken, theorem.key
        left -= wanted
    assert not left


@pytest.mark.parametrize("key", ["block-v", "block-v-sharp", "block-v-stacked"])
def test_tokens_without_a_std_are_outside_the_block_theorems(key: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.witness is not None
    at = replace(theorem.witness(), tokens=np.ones((2, 2)))
    verdict = check(theorem, at)
    assert verdict.status == "does not apply"
    assert STDS.name in (*verdict.reasons, *verdict.unknown)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"placement": "pre"}, "post-LN with true LayerNorm, eps = 0, no bias"),
        ({"residual": 2.0}, "gains, tau and residual scale are one; there is a feed-forward"),
        ({"feed_forward": None}, "gains, tau and residual scale are one; there is a feed-forward"),
    ],
)
def test_other_blocks_are_outside_the_lower_bound_of_v(change: dict[str, Any], name: str) -> None:
    theorem = CATALOGUE["block-v-lower-bound"]
    assert theorem.witness is not None
    at = theorem.witness()
    assert name in check(theorem, replace(at, block=replace(at.block, **change))).reasons


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("bias-free-cancellation", "all listen to all, without biases"),
        ("tau-is-a-temperature", "phi(a x) = a phi(x) for a > 0; no bias in queries or keys"),
    ],
)
def test_scores_with_positions_are_outside_of_theorems_about_products(key: str, name: str) -> None:
    theorem = CATALOGUE[key]
    assert theorem.witness is not None
    at = theorem.witness()
    run = getattr(at, "run", at)
    assert name not in check(theorem, at).reasons
    attention = replace(run.block.attention, positions=Positions(window=2))
    run = replace(run, block=replace(run.block, attention=attention))
    assert name in check(theorem, replace(at, run=run) if hasattr(at, "run") else run).reasons
