"""What does a layer of a pretrained model do to tokens, and who hears whom where all are equal?"""

from collections.abc import Sequence
from dataclasses import dataclass

from simulations.models.checkpoint import Checkpoint
from simulations.numbers import Numbers
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block, BlockStep
from theory.bounds.coefficients import WeightNorms, weight_norms
from theory.graphs.masks import causal_mask, full_mask
from theory.law.cocycle import equal_weights
from theory.law.orbits import host_block
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Layer:
    """One block in float64, and who may listen to whom.

    ``norms`` are those of the weights, which the coefficients need.
    """

    block: Block
    causal: bool
    norms: WeightNorms

    @property
    def even(self) -> bool:
        """Whether equal tokens hear all alike: how many they are then changes no rate."""
        return self.block.attention.positions is None and not self.causal

    def run(self, tokens: Numbers) -> BlockStep:
        """Send tokens (*b, n, d) through the layer as the model does it."""
        return apply_block(self.block, tokens, mask=self._mask(tokens.shape[-2]))

    def walks(self, listening: Numbers, n: int) -> Numbers:
        """Return the attention weights of n tokens that are all ``listening`` to attention.

        Shapes: listening (d,) -> as `theory.law.cocycle.equal_weights`
        """
        return equal_weights(self.block.attention, listening, n, mask=self._mask(n))

    def _mask(self, n: int) -> Numbers:
        mask: Numbers = causal_mask(n) if self.causal else full_mask(n)
        return mask


def model_layers(checkpoint: Checkpoint) -> Sequence[Layer]:
    """Return a model's layers; those that share their weights share the numbers too."""
    distinct = {id(block): host_block(block) for block in checkpoint.blocks}
    norms = {key: weight_norms(block, tolerance=1e-6) for key, block in distinct.items()}
    causal = checkpoint.architecture.causal
    return tuple(
        Layer(distinct[id(block)], causal, norms[id(block)]) for block in checkpoint.blocks
    )
