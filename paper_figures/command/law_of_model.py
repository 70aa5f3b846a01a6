"""How does the command put a pretrained model's layers beside the law?"""

from pathlib import Path

from paper_figures.command.law_options import ModelOptions
from paper_figures.command.terminal import complain, emit, err, out
from simulations.law.models import model_law
from simulations.models.texts import DEFAULT_TEXTS, read_texts
from simulations.reports.models import model_json, model_reading, model_tables


def show_model_law(asked: ModelOptions, *, seed: int, json: bool, plot: Path | None) -> int:
    """Print the model's law, draw it if asked; 1 if a measured ratio is above v."""
    assert asked.model is not None
    texts = DEFAULT_TEXTS if asked.text is None else read_texts(asked.text)
    with err.status(f"{asked.model}: {len(texts)} text(s)"):
        found = model_law(asked.model, texts, max_length=asked.max_length, seed=seed)
    if json:
        emit(model_json(found))
    else:
        out.print(*model_tables(found))
        out.print(model_reading(found), soft_wrap=True, highlight=False)
    if plot is not None:
        from paper_figures.command.picture_law import plot_model_law  # it imports matplotlib

        plot_model_law(found, plot)
    if not found.ordered:
        complain("a measured ratio is above v, which the block theorem rules out")
    return 0 if found.ordered else 1
