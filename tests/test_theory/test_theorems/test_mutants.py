"""Would a slip in a theorem be noticed by its witness, its outside instance and its draws?"""

import pytest

from tests.test_theory.helpers.mutants import is_noticed, modules, mutants

REACHED = (
    "graph_networks.cai2020_maps",
    "rank_collapse.dong2021_heads",
    "block.shi2022_activations",
    "block.shi2022_block",
)
"""Modules whose bounds are all reached, by draws too: there a slip has nowhere to hide."""

LEAST_SHARE = 0.6
"""Elsewhere half of the slips cancel on both sides, or loosen a bound that nothing reaches."""


@pytest.mark.parametrize("name", ["graph_networks.cai2020_maps", "block.shi2022_block"])
def test_slips_are_noticed_where_a_bound_is_reached(name: str) -> None:
    found = list(mutants(name))
    assert found
    assert [mutant.what for mutant in found if not is_noticed(name, mutant)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", REACHED)
def test_no_slip_hides_in_these_modules(name: str) -> None:
    missed = [mutant.what for mutant in mutants(name) if not is_noticed(name, mutant)]
    assert missed == []


@pytest.mark.slow
def test_most_slips_are_noticed() -> None:
    found = [is_noticed(name, mutant) for name in modules() for mutant in mutants(name)]
    assert sum(found) > LEAST_SHARE * len(found)
