"""What do the instruments read on a pretrained model and real texts?"""

from collections.abc import Sequence
from typing import NamedTuple

from simulations.checkpoints import Checkpoint, Encoded, embed, encode
from simulations.trace import Trace, trace_blocks


class Analysis(NamedTuple):
    """A trace with one batch member a text, and the tokens that the texts became."""

    trace: Trace
    encoded: Encoded


def analyze(
    checkpoint: Checkpoint,
    texts: Sequence[str],
    *,
    max_length: int | None = 128,
    skip_special: bool = False,
) -> Analysis:
    """Send texts through a checkpoint and measure at every layer.

    Padding never counts. ``skip_special`` leaves the tokens that mark a text's start and end
    out of the similarity measures; the coefficients and the measured ratio are about all
    tokens, as the theorem is.

    Raises: InputError if there is no text, a text has no tokens, or fewer than two count
    """
    encoded = encode(checkpoint, texts, max_length=max_length)
    present = encoded.token_mask
    trace = trace_blocks(
        checkpoint.blocks,
        embed(checkpoint, encoded),
        present=present,
        token_mask=present & ~encoded.special_mask if skip_special else None,
    )
    return Analysis(trace, encoded)
