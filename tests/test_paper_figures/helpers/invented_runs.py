"""Invented fusion runs: small, and in the shape that `oversmooth fuse` stores."""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from paper_figures.sources.fusion_plans import PLANS, SHARING
from simulations.fusion.recipe import FUSIONS, Recipe
from theory.blocks.sharing import attention_flops

Run = dict[str, Any]
SEEDS = range(3)
NAMES = (
    "reviews-e5-tuned",
    "reviews-minilm-tuned",
    "pairs-minilm-frozen",
    "fashion-depth4",
    "fashion-depth12",
)
RECIPES = {name: PLANS[name].recipes()[0] for name in NAMES}
GAINS = {"baseline": 0.0, "concat": -0.02, "max": 0.01, "gate": 0.02}


def record(recipe: Recipe) -> Run:
    """Return an invented run: what the figures make of it is tested, not how it came about."""
    rng = np.random.default_rng([recipe.seed, recipe.depth, FUSIONS.index(recipe.fusion)])
    layers = np.linspace(0, 1, recipe.depth + 1)
    level = {"e5-small": 0.1, "minilm": 0.5, "scratch": 3.0}[recipe.encoder]
    alike = {"e5-small": 0.8, "minilm": 0.4, "scratch": 0.2}[recipe.encoder]
    noise = 0.03 * float(rng.standard_normal())
    first, last = recipe.shared or (1, 1)
    score = 0.8 - 0.005 * recipe.depth + GAINS[recipe.fusion] + noise
    run: Run = {
        "recipe": json.loads(json.dumps(asdict(recipe))),
        "score": score - 0.002 * (last - first),
        "cosine": list(0.05 + (alike - 0.05) * layers + 0.001 * recipe.seed * layers),
        "cosine_fused": (0.6 if recipe.fusion == "gate" else 1.0) * alike,
        "sigma_product_last": list(level * np.geomspace(0.5, 2.0, 101) * (1 + 0.01 * recipe.seed)),
        "attention_flops": attention_flops(depth=recipe.depth, n=8, d=16, first=first, last=last),
        "provenance": {
            "command": f"oversmooth fuse --data {recipe.data}",
            "commit": "0" * 40,
            "data": recipe.data,
            "weights": "",
            "torch": "2.0",
        },
    }
    if recipe.fusion == "baseline" and recipe.shared is None:
        run["layer_scores"] = list(score - 0.1 * (1 - layers))
    if recipe.fusion == "gate":
        share = np.linspace(1, 2, recipe.depth) + 0.01 * recipe.seed
        run["gate"] = list(share / share.sum())
        run["cosine_average"] = 0.8 * alike
    return run


def runs_of(name: str) -> list[Run]:
    """Return the invented runs of one experiment, seed by seed."""
    recipes = PLANS[name].recipes()
    return [record(replace(recipe, seed=seed)) for seed in SEEDS for recipe in recipes]


def store(folder: Path, name: str, runs: Iterable[Run]) -> None:
    """Write runs as one stored file."""
    (folder / f"{name}.json").write_text(json.dumps(list(runs)))


def store_all(place: Path) -> None:
    """Write a stored file of each kind."""
    for name in RECIPES:
        store(place, name, runs_of(name))
    store(place, SHARING, runs_of(SHARING))
