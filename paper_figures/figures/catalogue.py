"""Which figures are there, in the order of the gallery, and how are they all made?"""

from collections.abc import Callable, Iterable
from pathlib import Path

from paper_figures.figures.bounds import (
    bound_vs_rate,
    fixed_sigma,
    lambda_heads,
    ln_std_drivers,
    phase_diagram,
    tau,
    tightness,
)
from paper_figures.figures.exact_law import (
    law_by_eigenvalue,
    law_models,
    law_phase_diagrams,
    law_vs_simulation,
)
from paper_figures.figures.paper import fig1a, fig2, fig3, fig4, fig5
from paper_figures.figures.paper import fig1b as plot_fusion_classifiers
from paper_figures.figures.paper import fig1c as plot_fusion_depth
from paper_figures.figures.paper import fig5_tuned as plot_fusion_sigmas
from paper_figures.figures.paper import fig6 as plot_fusion_layers
from paper_figures.figures.paper import fig7 as plot_fusion_gate
from paper_figures.figures.paper import fusion_score as plot_fusion_score
from paper_figures.figures.paper import table1 as plot_fusion_sharing
from paper_figures.pages.gallery import gallery
from paper_figures.pages.theorems import theorem_page
from paper_figures.workshop.build import Figure, Outcome, make, select

_MODULES = (
    fig1a,
    plot_fusion_classifiers,
    plot_fusion_depth,
    fig2,
    fig3,
    fig4,
    fig5,
    plot_fusion_sigmas,
    plot_fusion_layers,
    plot_fusion_gate,
    plot_fusion_score,
    plot_fusion_sharing,
    ln_std_drivers,
    fixed_sigma,
    tau,
    bound_vs_rate,
    lambda_heads,
    tightness,
    phase_diagram,
    law_vs_simulation,
    law_by_eigenvalue,
    law_phase_diagrams,
    law_models,
)
FIGURES: dict[str, Figure] = {module.FIGURE.name: module.FIGURE for module in _MODULES}


def make_figures(
    names: Iterable[str] = (),
    *,
    out: Path,
    quick: bool = False,
    seed: int = 0,
    on_progress: Callable[[str, str], None] = lambda name, event: None,
) -> list[Outcome]:
    """Build the named figures (all if none is named) and the page ``out/index.html``.

    Beside it ``theorems.html`` shows what the figure "tightness" has stored of every theorem.
    ``on_progress(name, event)`` is called with the events "start", "done" and "failed".
    They are built in two processes; each works with one thread (see
    `paper_figures.workshop.pools`). A figure that fails is reported in its outcome and does not
    stop the others.

    Raises: InputError for an unknown name or a folder that cannot be written
    """
    figures = select(FIGURES, names)
    outcomes = make(
        figures, out=out, quick=quick, seed=seed, on_progress=on_progress, parallel=True
    )
    page = theorem_page(out=out)
    gallery(FIGURES.values(), out=out, pages={"The theorems one by one": page} if page else {})
    return outcomes
