"""What do the instruments read on a pretrained model and real texts?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from simulations.instruments.batches import in_order, make_ready, trace_in_batches
from simulations.instruments.trace import Trace
from simulations.machine.backends import Backend
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.images import encode_images
from simulations.models.tokens import Encoded, encode, longest_text, require_two_tokens
from theory.arrays import InputError
from theory.records import brief_repr

DEFAULT_LENGTH = 128


@brief_repr
class Analysis(NamedTuple):
    """A trace with one batch member a text, and the tokens that the texts became."""

    trace: Trace
    encoded: Encoded


def analyze(
    checkpoint: Checkpoint | str | Path,
    texts: Sequence[str],
    *,
    max_length: int | Literal["auto"] | None = "auto",
    skip_special: bool = False,
    prefix: str | None = None,
    on: Backend | None = None,
) -> Analysis:
    """Send texts through a checkpoint and measure at every layer.

    A name or path is loaded in float64, as `simulations.models.find.load_checkpoint` does.
    Padding never counts. Few texts are measured at once, however many there are; their tokens and
    all readings are kept. See `simulations.instruments.corpus.analyze_corpus` for a corpus.
    ``skip_special`` leaves the tokens that mark a text's start and end out of the similarity
    measures; the coefficients and the measured ratio are about all tokens, as the theorem is.
    ``prefix`` is put before every text, None stands for what the model was trained with
    ("query: " for e5-small); its tokens count in all measures.
    ``max_length`` "auto" is 128, or the model's own limit where that is smaller; None is that
    limit. ``on`` says where to compute, in which dtype; None is NumPy, in the checkpoint's own.

    Raises: InputError if there is no such checkpoint, no text, a text has no tokens, or fewer
            than two count
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    length = length_limit(checkpoint, max_length)
    encoded = encode(checkpoint, texts, max_length=length, prefix=prefix)
    present = encoded.token_mask
    require_two_tokens(texts, present & ~encoded.special_mask if skip_special else present)
    bench = make_ready(checkpoint, skip_special=skip_special, on=on)
    return Analysis(trace_in_batches(bench, encoded, in_order), encoded)


def analyze_images(
    checkpoint: Checkpoint | str | Path,
    images: Sequence[str | Path | NDArray[Any]],
    *,
    skip_special: bool = False,
    on: Backend | None = None,
) -> Analysis:
    """Send images through a checkpoint that reads them and measure at every layer.

    Images are what `simulations.models.images.encode_images` takes: files or arrays.
    ``skip_special`` leaves [CLS] and registers out of the similarity measures, so that they are
    about patches alone.

    Raises: InputError if there is no such checkpoint, it reads texts, or an image cannot be read
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    encoded = encode_images(checkpoint, images)
    if int((~encoded.special_mask[0]).sum()) < 2:
        raise InputError("images must have at least 2 patches, or no two can be compared")
    bench = make_ready(checkpoint, skip_special=skip_special, on=on)
    return Analysis(trace_in_batches(bench, encoded, in_order), encoded)


def length_limit(checkpoint: Checkpoint, max_length: int | Literal["auto"] | None) -> int | None:
    """Return how many tokens a text may have; "auto" is 128, or what the model can read."""
    if max_length == "auto":
        return min(DEFAULT_LENGTH, longest_text(checkpoint))
    return max_length
