"""Which network is it to repeat one layer of a pretrained model, and where does it start?"""

from collections.abc import Sequence

import numpy as np

from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed
from simulations.models.tokens import encode
from simulations.numbers import Numbers
from theory.arrays import InputError
from theory.blocks.weights import Block
from theory.law.orbits import host_block


def repeated_layer(
    checkpoint: Checkpoint | str, texts: Sequence[str], layer: int, *, max_length: int | None = 64
) -> tuple[Block, Numbers]:
    """Return one layer in float64, and the mean token of the embedded texts: (d,).

    Raises: InputError if there is no such checkpoint or layer, or no text
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    if not all(block.attention.plain for block in checkpoint.blocks):
        raise InputError(
            f"the law of a repeated layer is about attention by queries and keys alone, but "
            f"{checkpoint.name} has other scores"
        )
    if not 0 <= layer < len(checkpoint.blocks):
        raise InputError(
            f"layer must be from 0 to {len(checkpoint.blocks) - 1} for {checkpoint.name}, but is "
            f"{layer}"
        )
    if not texts:
        raise InputError("texts must hold at least one text, but is empty")
    encoded = encode(checkpoint, texts, max_length=max_length)
    embedded = np.asarray(embed(checkpoint, encoded), dtype=np.float64)
    token: Numbers = embedded[np.asarray(encoded.token_mask)].mean(axis=0)
    return host_block(checkpoint.blocks[layer]), token
