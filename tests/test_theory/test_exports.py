"""The front doors: what a reader needs for a theorem is exported, and what is exported exists."""

from types import ModuleType

import numpy as np
import pytest

import simulations
import theory
from theory.statements.domains import draw


@pytest.mark.parametrize("key", theory.CATALOGUE)
def test_the_instances_of_every_theorem_are_of_an_exported_class(key: str) -> None:
    theorem = theory.CATALOGUE[key]
    instance = draw(theorem.domain, np.random.default_rng(0)).instance
    name = type(instance).__name__
    assert name in theory.__all__
    assert getattr(theory, name) is type(instance)


def test_an_instance_is_built_from_plain_arrays_and_checked() -> None:
    tokens = np.asarray([[1.0, 2.0], [3.0, -4.0]])
    at = theory.Averaging(tokens=tokens, adjacency=np.full((2, 2), 0.5))
    assert theory.check(theory.CATALOGUE["attention"], at).status == "holds"
    wrong = theory.Averaging(tokens=tokens, adjacency=np.full((2, 2), 0.4))
    assert theory.check(theory.CATALOGUE["attention"], wrong).status == "does not apply"


@pytest.mark.parametrize("package", [theory, simulations])
def test_what_is_exported_exists_once(package: ModuleType) -> None:
    assert len(set(package.__all__)) == len(package.__all__) > 10
    assert [name for name in package.__all__ if not hasattr(package, name)] == []
