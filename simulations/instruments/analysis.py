"""What do the instruments read on a pretrained model and real texts?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from simulations.instruments.trace import Trace, trace_blocks
from simulations.machine.backends import Backend, backend
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed
from simulations.models.tokens import Encoded, encode, longest_text, require_two_tokens

DEFAULT_LENGTH = 128


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
    Padding never counts. ``skip_special`` leaves the tokens that mark a text's start and end
    out of the similarity measures; the coefficients and the measured ratio are about all
    tokens, as the theorem is. ``prefix`` is put before every text, None stands for what the
    model was trained with ("query: " for e5-small); its tokens count in all measures.
    ``max_length`` "auto" is 128, or the model's own limit where that is smaller; None is that
    limit. ``on`` says where to compute, in which dtype; None is NumPy, in the checkpoint's own.

    Raises: InputError if there is no such checkpoint, no text, a text has no tokens, or fewer
            than two count
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    if max_length == "auto":
        max_length = min(DEFAULT_LENGTH, longest_text(checkpoint))
    there = backend(dtype=str(checkpoint.embeddings.dtype)) if on is None else on
    encoded = encode(checkpoint, texts, max_length=max_length, prefix=prefix)
    present = encoded.token_mask
    counted = present & ~encoded.special_mask if skip_special else present
    require_two_tokens(texts, counted)
    trace = trace_blocks(
        checkpoint.blocks if on is None else on.move_each(checkpoint.blocks),
        there.move(embed(checkpoint, encoded)),
        present=there.move(present),
        token_mask=there.move(counted) if skip_special else None,
    )
    return Analysis(trace, encoded)
