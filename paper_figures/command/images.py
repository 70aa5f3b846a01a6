"""How does `analyze` show images to a model?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paper_figures.command.corpus import Asked, Told, about_model
from paper_figures.command.terminal import err
from simulations.instruments.analysis import Analysis, analyze_images
from simulations.instruments.trace import Trace
from simulations.models.find import load_checkpoint


def analyze_files(asked: Asked, files: Sequence[Path]) -> tuple[Trace, dict[str, Any], str]:
    """Measure images: return the trace, what it is about, and a title."""
    with err.status(f"{asked.model}: {len(files)} image(s)"):
        skip_special = asked.options["skip_special"]
        checkpoint, found = _measured(asked, files)
    tokens = found.encoded.ids.shape[-1]
    about = about_model(checkpoint) | {
        "images": [file.name for file in files],
        "image_tokens": tokens,
        "skip_special": skip_special,
    }
    title = f"{checkpoint.name}: {len(files)} image(s) of {tokens} tokens"
    if asked.stage is not None:
        about["stage"], title = asked.stage, f"{title}, stage {asked.stage}"
    return found.trace, about, title


def _measured(asked: Asked, files: Sequence[Path]) -> tuple[Told, Analysis]:
    skip_special = asked.options["skip_special"]
    if asked.via == "capture":
        from paper_figures.command.captured import analyze_pictures  # it asks for torch

        how: dict[str, Any] = {"skip_special": skip_special, "stage": asked.stage}
        return analyze_pictures(asked.model, files, dtype=asked.dtype, **how)
    checkpoint = load_checkpoint(asked.model, dtype=asked.dtype)
    return checkpoint, analyze_images(checkpoint, files, skip_special=skip_special, on=asked.on)
