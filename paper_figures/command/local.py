"""How does `analyze --local` bound a model's blocks on balls around a text's tokens?"""

from collections.abc import Sequence
from typing import Any

from paper_figures.command.corpus import about_model
from paper_figures.command.terminal import emit, out, steps
from simulations.instruments.local import local_bounds
from simulations.models.find import load_checkpoint
from simulations.reports.local import local_json, local_reading, local_table

ASCENT_STEPS = 12


def analyze_locally(
    model: str,
    texts: Sequence[str],
    radius: float,
    *,
    layers: Sequence[int],
    reach: bool,
    json: bool,
    options: dict[str, Any],
) -> int:
    """Print what is certain of every block on all tokens within a relative radius; return 0."""
    checkpoint = load_checkpoint(model)
    wanted = tuple(layers) or tuple(range(1, len(checkpoint.blocks) + 1))
    found = []
    with steps(f"{checkpoint.name}: {len(texts)} text(s), {len(wanted)} block(s)") as done:
        for each in local_bounds(
            checkpoint,
            texts,
            radii=(radius,),
            layers=wanted,
            steps=ASCENT_STEPS if reach else 0,
            **options,
        ):
            found.append(each)
            done(len(found), len(texts) * len(wanted))
    if json:
        emit(about_model(checkpoint) | {"texts": len(texts), "local": local_json(found)})
    else:
        title = f"{checkpoint.name}: all tokens within {radius:g} of their own length"
        out.print(local_table(found, title=title))
        out.print(local_reading(found), soft_wrap=True, highlight=False)
    return 0
