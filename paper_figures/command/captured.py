"""How does `analyze --via capture` measure a model that transformers loads and runs?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paper_figures.command.corpus import Asked
from simulations.capture.load import Loaded, load_model
from simulations.instruments.analysis import Analysis
from theory.arrays import InputError


def require_fitting(*, backend: str, device: str | None) -> None:
    """Refuse what says where to compute: transformers runs the model in torch, on the processor.

    Raises: InputError if something else is asked for
    """
    for name, given in (("backend", None if backend == "numpy" else backend), ("device", device)):
        if given is not None:
            raise InputError(
                f"via capture excludes {name}, but it is {given!r}: the model runs in torch, on "
                "the processor, and simulations.capture.trace_model takes one that is elsewhere"
            )


def analyze_texts(asked: Asked, texts: Sequence[str]) -> tuple[Loaded, Analysis, tuple[str, ...]]:
    """Return a model, its readings on texts, and which of these are left."""
    loaded = load_model(asked.model, dtype=asked.dtype)
    from simulations.capture.shown import encode_texts, trace_shown  # torch is there by now

    encoded, kept = encode_texts(loaded, texts, skip_short=asked.skip_short, **asked.options)
    trace = trace_shown(loaded, encoded, skip_special=asked.options["skip_special"])
    return loaded, Analysis(trace, encoded), tuple(texts[row] for row in kept)


def analyze_pictures(asked: Asked, files: Sequence[Path]) -> tuple[Loaded, Analysis]:
    """Return a model, and its readings on images."""
    loaded = load_model(asked.model, images=True, dtype=asked.dtype)
    from simulations.capture.shown import encode_pictures, trace_shown  # torch is there by now

    skip: Any = asked.options["skip_special"]
    encoded = encode_pictures(loaded, files, skip_special=skip)
    return loaded, Analysis(trace_shown(loaded, encoded, skip_special=skip), encoded)
