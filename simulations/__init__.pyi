from simulations import (
    centred,
    datasets,
    engine,
    fusion,
    instruments,
    law,
    machine,
    models,
    reports,
    search,
    stacks,
    sweeps,
)

__all__ = [
    "centred",
    "datasets",
    "engine",
    "fusion",
    "instruments",
    "law",
    "machine",
    "models",
    "reports",
    "search",
    "stacks",
    "sweeps",
]
