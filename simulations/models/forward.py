"""What does a pretrained model do to the tokens of a text or an image, block by block?"""

from collections.abc import Iterator
from typing import NamedTuple

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from simulations.models.checkpoint import Checkpoint, Patches
from simulations.models.tokens import Encoded
from theory.arrays import Array, InputError, namespace
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

    Raises: InputError if a model of images is given texts, or the other way round
    """
    embeddings, length = checkpoint.embeddings, encoded.ids.shape[-1]
    if isinstance(embeddings, Patches) != (encoded.pixels is not None):
        raise InputError(
            "encoded must be images for a model of images and texts for one of texts, but is not"
        )
    if isinstance(embeddings, Patches):
        assert encoded.pixels is not None  # as was just required
        return _embed_images(embeddings, encoded.pixels)
    first = checkpoint.architecture.first_position
    tokens = embeddings.word[encoded.ids]
    if embeddings.scale != 1:
        tokens = tokens * np.asarray(embeddings.scale, dtype=tokens.dtype)
    if embeddings.position is not None:
        tokens = tokens + embeddings.position[first : first + length]
    if embeddings.token_type is not None:
        tokens = tokens + embeddings.token_type[0]
    tokens = apply_norm(embeddings.norm, tokens)
    if embeddings.projection is not None:
        tokens = tokens @ embeddings.projection + embeddings.projection_bias
    return tokens


def audience(mask: Array | None, present: Array | None) -> Array | None:
    """Combine who may listen to whom with who is there at all: nobody listens to padding.

    Shapes: mask boolean (*b, n, n), present boolean (*b, n) -> (*b, n, n), or (*b, 1, n) without
            a mask
    """
    if present is None:
        return mask
    keys = present[..., None, :]
    if mask is None:
        return keys
    xp = namespace(mask)
    itself = xp.eye(mask.shape[-1], dtype=xp.bool, device=array_api_compat.device(mask))
    # Padding may have nobody left to listen to, under a causal mask or in a window of padding; it
    # counts nowhere.
    return (mask & keys) | (itself & ~present[..., :, None])


def causal_mask(checkpoint: Checkpoint, tokens: int) -> NDArray[np.bool_] | None:
    """Return whom a decoder's tokens may listen to, (n, n); None where all listen to all."""
    return np.tri(tokens, dtype=bool) if checkpoint.architecture.causal else None


def run(checkpoint: Checkpoint, encoded: Encoded) -> Iterator[LayerRun]:
    """Send the texts or images through the blocks, one `LayerRun` at a time, none kept.

    No token listens to padding, so a padded batch gives what its single texts give.

    Source: devlin2019bert
    """
    tokens = embed(checkpoint, encoded)
    mask = audience(causal_mask(checkpoint, tokens.shape[-2]), encoded.token_mask)
    for layer, block in enumerate(checkpoint.blocks, start=1):
        step = apply_block(block, tokens, mask=mask)
        yield LayerRun(layer, block, tokens, step)
        tokens = step.output


def _embed_images(patches: Patches, pixels: NDArray[np.floating]) -> Array:
    """Return the tokens of images: pixels (b, c, side p, side p) -> (b, n, d)."""
    batch, colours, height, _ = pixels.shape
    p = round((len(patches.weight) / colours) ** 0.5)
    side = height // p
    cut = pixels[:, :, : side * p, : side * p].reshape(batch, colours, side, p, side, p)
    each = np.moveaxis(cut, (2, 4), (1, 2)).reshape(batch, side**2, -1).astype(patches.dtype)
    inner = each @ patches.weight + patches.bias
    marks = len(patches.marks)
    first = np.broadcast_to(patches.marks, (batch, *patches.marks.shape))
    tokens = np.concatenate([first, inner], axis=1) + patches.position
    registers = np.broadcast_to(patches.registers, (batch, *patches.registers.shape))
    return np.concatenate([tokens[:, :marks], registers, tokens[:, marks:]], axis=1)
