from simulations.engine.processes import survey_in_processes
from simulations.engine.surveys import (
    DEFAULT_QUANTITIES,
    QUANTITIES,
    SCALING,
    Quantity,
    Survey,
    grid,
    join_surveys,
    survey,
    survey_chunks,
)

__all__ = [
    "DEFAULT_QUANTITIES",
    "QUANTITIES",
    "SCALING",
    "Quantity",
    "Survey",
    "grid",
    "join_surveys",
    "survey",
    "survey_chunks",
    "survey_in_processes",
]
