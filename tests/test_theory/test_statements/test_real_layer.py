"""Layers of a model, given to theorems as their instances."""

from typing import Any

import numpy as np
import pytest

from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.statements.evaluation import check
from theory.statements.real_layer import RealLayer
from theory.statements.theorem import Theorem
from theory.theorems.catalogue import CATALOGUE

TEXTS, N, D, HEADS, K = 2, 5, 6, 3, 2
ABOUT_LAYERS = [theorem for theorem in CATALOGUE.values() if theorem.from_layers is not None]
TRUE = [theorem for theorem in ABOUT_LAYERS if theorem.expected == "holds"]


@pytest.fixture(scope="module")
def layers() -> list[RealLayer]:
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> Any:
        return rng.standard_normal(shape) / 2

    found, tokens = [], weights(TEXTS, N, D)
    for _ in range(3):
        query, key, value = weights(3, HEADS, D, K)
        attention = Attention(query, key, value, weights(HEADS, K, D), weights(HEADS, K))
        ffn = FeedForward(weights(D, 8), weights(8, D), weights(8), weights(D), activation="gelu")
        norm = Norm(gain=1 + weights(D), shift=weights(D), eps=1e-12)
        block = Block(attention, ffn, norm, norm)
        found.append(RealLayer(block, tokens, apply_block(block, tokens)))
        tokens = found[-1].step.output
    return found


@pytest.mark.parametrize("theorem", ABOUT_LAYERS, ids=lambda theorem: theorem.key)
def test_a_layer_gives_instances_that_the_theorem_is_about_and_applies_to(
    theorem: Theorem[Any], layers: list[RealLayer]
) -> None:
    assert theorem.from_layers is not None
    found = list(theorem.from_layers(layers))
    assert found
    for instance in found:
        assert check(theorem, instance).applies.all()


@pytest.mark.parametrize("theorem", TRUE, ids=lambda theorem: theorem.key)
def test_no_layer_refutes_a_theorem(theorem: Theorem[Any], layers: list[RealLayer]) -> None:
    assert theorem.from_layers is not None
    for instance in theorem.from_layers(layers):
        assert not check(theorem, instance).refuted.any()


def test_both_sublayers_of_a_layer_are_those_of_its_block(layers: list[RealLayer]) -> None:
    first = layers[0]
    assert first.step.std_1 is not None
    std = np.std(first.tokens + first.attended, axis=-1)
    np.testing.assert_allclose(first.step.std_1, std, rtol=1e-9)
