from simulations.fusion.files import Run, read_runs
from simulations.fusion.recipe import FUSIONS, Fusion, Recipe
from simulations.fusion.runs import Row, recipe_for, require_torch, run_all, summarise

__all__ = [
    "FUSIONS",
    "Fusion",
    "Recipe",
    "Row",
    "Run",
    "read_runs",
    "recipe_for",
    "require_torch",
    "run_all",
    "summarise",
]
