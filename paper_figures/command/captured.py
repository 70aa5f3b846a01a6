"""How does `analyze --via capture` measure a model that transformers loads and runs?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from simulations.capture.load import Loaded, load_model
from simulations.instruments.analysis import Analysis
from theory.arrays import InputError


def require_fitting(via: str, *, backend: str, device: str | None, stage: int | None) -> None:
    """Refuse what does not go with a captured model, or with one that is read from its files.

    transformers runs the model in torch, on the processor; what is read here has one stage.

    Raises: InputError if such a thing is asked for
    """
    if via != "capture":
        if stage is not None:
            raise InputError(
                f"stage goes with --via capture alone, but is {stage}: no model that is read from "
                "its files has several"
            )
        return
    for name, given in (("backend", None if backend == "numpy" else backend), ("device", device)):
        if given is not None:
            raise InputError(
                f"via capture excludes {name}, but it is {given!r}: the model runs in torch, on "
                "the processor, and simulations.capture.trace_model takes one that is elsewhere"
            )


def analyze_texts(
    model: str,
    texts: Sequence[str],
    *,
    dtype: Literal["float32", "float64"],
    skip_short: bool,
    stage: int | None,
    options: Mapping[str, Any],
) -> tuple[Loaded, Analysis, tuple[str, ...]]:
    """Return a model, its readings on texts, and which of these are left."""
    loaded = load_model(model, dtype=dtype)
    from simulations.capture.shown import encode_texts, trace_shown  # torch is there by now

    encoded, kept = encode_texts(loaded, texts, skip_short=skip_short, **options)
    trace = trace_shown(loaded, encoded, skip_special=options["skip_special"], stage=stage)
    return loaded, Analysis(trace, encoded), tuple(texts[row] for row in kept)


def analyze_pictures(
    model: str,
    files: Sequence[Path],
    *,
    dtype: Literal["float32", "float64"],
    skip_special: bool,
    stage: int | None,
) -> tuple[Loaded, Analysis]:
    """Return a model, and its readings on images."""
    loaded = load_model(model, images=True, dtype=dtype)
    from simulations.capture.shown import encode_pictures, trace_shown  # torch is there by now

    how: dict[str, Any] = {"skip_special": skip_special, "stage": stage}
    encoded = encode_pictures(loaded, files, **how)
    return loaded, Analysis(trace_shown(loaded, encoded, **how), encoded)
