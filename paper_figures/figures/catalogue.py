"""Which figures are there, in the order of the gallery, and how are they all made?"""

from collections.abc import Callable, Iterable
from pathlib import Path

from paper_figures.figures.bounds import (
    bound_vs_rate,
    fixed_sigma,
    lambda_heads,
    ln_std_drivers,
    local_bound,
    phase_diagram,
    residual_attention_exact,
    tau,
    tightness,
)
from paper_figures.figures.exact_law import (
    law_by_eigenvalue,
    law_models,
    law_phase_diagrams,
    law_proved,
    law_vs_simulation,
)
from paper_figures.figures.families import (
    attention_graphs,
    law_by_family,
    rates_by_family,
    similarity_by_family,
)
from paper_figures.figures.paper import (
    fig1a,
    fig1b,
    fig1c,
    fig2,
    fig3,
    fig4,
    fig5,
    fig5_tuned,
    fig6,
    fig7,
    fusion_score,
    table1,
)
from paper_figures.pages.gallery import gallery
from paper_figures.pages.theorems import theorem_page
from paper_figures.workshop.build import Figure, Outcome, make, select

_MODULES = (
    fig1a,
    fig1b,
    fig1c,
    fig2,
    fig3,
    fig4,
    fig5,
    fig5_tuned,
    fig6,
    fig7,
    fusion_score,
    table1,
    ln_std_drivers,
    fixed_sigma,
    tau,
    bound_vs_rate,
    lambda_heads,
    tightness,
    residual_attention_exact,
    phase_diagram,
    local_bound,
    law_vs_simulation,
    law_by_eigenvalue,
    law_phase_diagrams,
    law_proved,
    law_models,
    similarity_by_family,
    rates_by_family,
    law_by_family,
    attention_graphs,
)
FIGURES: dict[str, Figure] = {module.FIGURE.name: module.FIGURE for module in _MODULES}


def make_figures(
    names: Iterable[str] = (),
    *,
    out: Path | str,
    quick: bool = False,
    seed: int = 0,
    on_progress: Callable[[str, str], None] = lambda name, event: None,
) -> list[Outcome]:
    """Build the named figures (all if none is named) and the page ``out/index.html``.

    Beside it ``theorems.html`` shows what the figure "tightness" has stored of every theorem.
    The page is written anew after each figure, so that what is there can be looked at.
    ``on_progress(name, event)`` is called with the events "start", "done" and "failed".
    They are built in two processes; each works with one thread (see
    `paper_figures.workshop.pools`). A figure that fails is reported in its outcome and does not
    stop the others.

    Raises: InputError for an unknown name or a folder that cannot be written
    """
    figures, out = select(FIGURES, names), Path(out)

    def show(name: str, event: str) -> None:
        if event == "done":
            gallery(FIGURES.values(), out=out)
        on_progress(name, event)

    outcomes = make(figures, out=out, quick=quick, seed=seed, on_progress=show, parallel=True)
    page = theorem_page(out=out)
    gallery(FIGURES.values(), out=out, pages={"The theorems one by one": page} if page else {})
    return outcomes
