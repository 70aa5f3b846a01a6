"""What do the instruments read on a pretrained model and real texts?"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from simulations.checkpoints import Checkpoint, Encoded, embed, encode, load_checkpoint
from simulations.trace import Trace, trace_blocks


class Analysis(NamedTuple):
    """A trace with one batch member a text, and the tokens that the texts became."""

    trace: Trace
    encoded: Encoded


def analyze(
    checkpoint: Checkpoint | str | Path,
    texts: Sequence[str],
    *,
    max_length: int | None = 128,
    skip_special: bool = False,
    prefix: str | None = None,
) -> Analysis:
    """Send texts through a checkpoint and measure at every layer.

    A name or path is loaded in float64, as `simulations.checkpoints.load_checkpoint` does.
    Padding never counts. ``skip_special`` leaves the tokens that mark a text's start and end
    out of the similarity measures; the coefficients and the measured ratio are about all
    tokens, as the theorem is. ``prefix`` is put before every text, None stands for what the
    model was trained with ("query: " for e5-small); its tokens count in all measures.

    Raises: InputError if there is no such checkpoint, no text, a text has no tokens, or fewer
            than two count
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    encoded = encode(checkpoint, texts, max_length=max_length, prefix=prefix)
    present = encoded.token_mask
    trace = trace_blocks(
        checkpoint.blocks,
        embed(checkpoint, encoded),
        present=present,
        token_mask=present & ~encoded.special_mask if skip_special else None,
    )
    return Analysis(trace, encoded)
