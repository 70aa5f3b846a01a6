from paper_figures.figures.exact_law import (
    law_by_eigenvalue,
    law_models,
    law_phase_diagrams,
    law_proved,
    law_vs_simulation,
)

__all__ = [
    "law_by_eigenvalue",
    "law_models",
    "law_phase_diagrams",
    "law_proved",
    "law_vs_simulation",
]
