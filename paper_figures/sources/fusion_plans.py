"""Which fusion runs do the figures draw, and with which settings are they trained?"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from simulations.fusion.recipe import FUSIONS, FusionKind, Recipe
from simulations.fusion.sizes import recipe_for

SEEDS = 5
_TWO: tuple[FusionKind, ...] = ("baseline", "gate")

Range: TypeAlias = tuple[int, int] | None


@dataclass(frozen=True)
class FusionPlan:
    """One experiment: its label, the settings of its runs, and what is compared in it.

    ``rates`` are learning rates where fusions have their own.
    """

    label: str
    settings: Mapping[str, Any]
    fusions: tuple[FusionKind, ...] = FUSIONS
    ranges: tuple[Range, ...] = (None,)
    rates: Mapping[FusionKind, float] = field(default_factory=dict)

    def recipes(self) -> list[Recipe]:
        """Return the recipes of all runs, but for the seed."""
        base = recipe_for(**self.settings)
        return [
            replace(base, fusion=fusion, shared=shared, rate=self.rates.get(fusion, base.rate))
            for shared in self.ranges
            for fusion in self.fusions
        ]


def _clothes(depth: int) -> dict[str, Any]:
    return {"data": "fashion-mnist", "depth": depth}


SHARING = "sharing"
"""Baseline runs that share attention matrices over ranges of blocks, or do not."""
PLANS = {
    "reviews-e5-tuned": FusionPlan(
        "reviews, e5-small tuned", {"data": "rotten-tomatoes", "encoder": "e5-small"}
    ),
    "reviews-minilm-tuned": FusionPlan("reviews, MiniLM tuned", {"data": "rotten-tomatoes"}),
    "reviews-minilm-all": FusionPlan(
        "all reviews, MiniLM tuned",
        {"data": "rotten-tomatoes", "train": None, "validation": None, "test": None},
        ("baseline", "max", "gate"),
    ),
    "reviews-e5-first": FusionPlan(
        "reviews, e5-small by [CLS]",
        {"data": "rotten-tomatoes", "encoder": "e5-small", "readout": "first"},
    ),
    "reviews-minilm-first": FusionPlan(
        "reviews, MiniLM by [CLS]", {"data": "rotten-tomatoes", "readout": "first"}
    ),
    "topics-minilm-frozen": FusionPlan(
        "topics, MiniLM frozen",
        {"data": "newsgroups", "frozen": True},
        rates={"baseline": 3e-3, "concat": 3e-4, "max": 1e-2, "gate": 3e-3},
    ),
    "pairs-minilm-frozen": FusionPlan("news pairs, MiniLM frozen", {"data": "lee", "frozen": True}),
    "fashion-depth4": FusionPlan("clothes, 4 blocks", _clothes(4), _TWO),
    "fashion-depth8": FusionPlan("clothes, 8 blocks", _clothes(8), _TWO),
    "fashion-depth12": FusionPlan("clothes, 12 blocks", _clothes(12)),
    "fashion-depth16": FusionPlan("clothes, 16 blocks", _clothes(16), _TWO),
    "fashion-depth24": FusionPlan("clothes, 24 blocks", _clothes(24), _TWO),
    SHARING: FusionPlan(
        "clothes, 12 blocks",
        _clothes(12),
        ("baseline",),
        (None, *((first, 12) for first in (11, 9, 7, 5, 3, 1))),
    ),
}
"""The experiments, in the order of the figures.

The rates of topics had the best validation score with a seed that is none of those compared, of
1e-3, 3e-3 and 1e-2 and beyond where the best was at an end; `python examples/fusion_runs.py FOLDER
rates` tries all of `TRIED`.
"""
TRIED = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
