"""Does each caption say in one sentence what would refute it?"""

import re

import pytest

from paper_figures.figures.catalogue import FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_is_one_sentence_that_says_what_would_refute_it(name: str) -> None:
    caption = FIGURES[name].caption
    assert "would refute" in caption
    assert caption.endswith(".")
    plain = re.sub(r"\{[^}]*\}", "0", caption)
    assert not re.search(r"\. [A-Z]", plain), "a second sentence begins"


def test_the_catalogue_holds_the_figures_of_the_paper_and_of_the_theory() -> None:
    assert {"fig1a", "fig2", "fig3", "fig4", "fig5"} <= set(FIGURES)
    assert {"ln_std_drivers", "fixed_sigma", "tau", "bound_vs_rate", "lambda_heads"} <= set(FIGURES)
    assert all(name == figure.name for name, figure in FIGURES.items())
