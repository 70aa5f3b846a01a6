"""What does a pretrained model do to the tokens of a text, block by block?"""

from collections.abc import Iterator
from typing import NamedTuple

from simulations.models.checkpoint import Checkpoint
from simulations.models.tokens import Encoded
from theory.arrays import Array
from theory.blocks.forward import apply_block
from theory.blocks.norms import apply_norm
from theory.blocks.weights import Block, BlockStep
from theory.records import brief_repr


@brief_repr
class LayerRun(NamedTuple):
    """One block at work: number from 1, the tokens (b, n, d) that it got, what it gave."""

    layer: int
    block: Block
    tokens: Array
    step: BlockStep


def embed(checkpoint: Checkpoint, encoded: Encoded) -> Array:
    """Return the tokens (b, n, d) before the first block, after the embeddings' own norm.

    Padding gets tokens too; `Encoded.token_mask` says which ones count.
    """
    embeddings, length = checkpoint.embeddings, encoded.ids.shape[-1]
    first = checkpoint.architecture.first_position
    tokens = embeddings.word[encoded.ids] + embeddings.position[first : first + length]
    if embeddings.token_type is not None:
        tokens = tokens + embeddings.token_type[0]
    tokens = apply_norm(embeddings.norm, tokens)
    if embeddings.projection is not None:
        tokens = tokens @ embeddings.projection + embeddings.projection_bias
    return tokens


def run(checkpoint: Checkpoint, encoded: Encoded) -> Iterator[LayerRun]:
    """Send the texts through the blocks, one `LayerRun` at a time, none kept.

    No token listens to padding, so a padded batch gives what its single texts give.

    Source: devlin2019bert
    """
    tokens, mask = embed(checkpoint, encoded), encoded.token_mask[:, None, :]
    for layer, block in enumerate(checkpoint.blocks, start=1):
        step = apply_block(block, tokens, mask=mask)
        yield LayerRun(layer, block, tokens, step)
        tokens = step.output
