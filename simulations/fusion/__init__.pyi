from simulations.fusion.files import Run, read_runs
from simulations.fusion.recipe import FUSIONS, FusionKind, Recipe
from simulations.fusion.runs import require_torch, run_all
from simulations.fusion.scores import FusionScore, fusion_scores
from simulations.fusion.sizes import recipe_for

__all__ = [
    "FUSIONS",
    "FusionKind",
    "FusionScore",
    "Recipe",
    "Run",
    "fusion_scores",
    "read_runs",
    "recipe_for",
    "require_torch",
    "run_all",
]
