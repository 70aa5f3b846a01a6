"""How does the command put a pretrained model's layers beside the law?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paper_figures.command.law_options import ModelOptions
from paper_figures.command.terminal import complain, emit, err, out
from paper_figures.sources.families import photographs
from simulations.law.models import model_law
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.messages import quote
from simulations.models.texts import DEFAULT_TEXTS, read_texts
from simulations.models.tokens import longest_text
from simulations.reports.models import model_json, model_reading, model_tables
from theory.arrays import InputError

_LENGTH = 64  # of a text, if nothing is asked for


def show_model_law(asked: ModelOptions, *, seed: int, json: bool, plot: Path | None) -> int:
    """Print the model's law, draw it if asked; 1 if a measured ratio is above v."""
    assert asked.model is not None
    if asked.images and asked.text is not None:
        raise InputError("images exclude text, but come with it")
    texts = DEFAULT_TEXTS if asked.text is None else read_texts(asked.text)
    with err.status(f"{asked.model}: the law, layer by layer"):
        checkpoint = load_checkpoint(asked.model)
        inputs, length = _shown(checkpoint, asked, texts), asked.max_length
        if length is None and not checkpoint.reads_images:
            length = min(_LENGTH, longest_text(checkpoint))
        found = model_law(checkpoint, inputs, max_length=length, seed=seed)
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


def _shown(checkpoint: Checkpoint, asked: ModelOptions, texts: Sequence[str]) -> Sequence[Any]:
    """Return the texts or images that a model is asked about.

    Raises: InputError if it reads the other kind, or says not how pictures are scaled
    """
    name = quote(checkpoint.name)
    if not checkpoint.reads_images:
        if asked.images:
            raise InputError(f"{name} reads texts, not images")
        return texts
    if asked.text is not None:
        raise InputError(f"{name} reads images, not texts; law --images FILE shows it some")
    if asked.images:
        return asked.images
    if checkpoint.pixels is None:
        raise InputError(
            f"{name} has no preprocessor_config.json, which says how pictures are scaled for it: "
            "add it, or give --images .npy files that are scaled"
        )
    return photographs(checkpoint, 2)
