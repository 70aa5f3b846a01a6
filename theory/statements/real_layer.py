"""What is a layer of a trained model to a theorem that speaks of a part of it?"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from theory.arrays import Array
from theory.blocks.forward import attend
from theory.blocks.norms import apply_norm
from theory.blocks.weights import Block, BlockStep
from theory.records import brief_repr
from theory.statements.instances import Instance


@brief_repr
@dataclass(frozen=True, eq=False)
class RealLayer:
    """A post-norm block, the tokens (S, n, d) of S texts that enter it, and what it does to them.

    No text is padded: every token counts.
    """

    block: Block
    tokens: Array
    step: BlockStep

    @property
    def heads(self) -> Array:
        """The attention weights of all heads, (S, h, n, n)."""
        return self.step.adjacency

    @cached_property
    def attended(self) -> Array:
        """What attention adds to the tokens."""
        return attend(self.block.attention, self.heads, self.tokens)

    @cached_property
    def middle(self) -> Array:
        """The tokens between the two sublayers."""
        return apply_norm(self.block.norm_1, self.tokens + self.attended)


def each_layer(
    instance: Callable[[RealLayer], Instance],
) -> Callable[[Sequence[RealLayer]], Iterable[Instance]]:
    """Return what makes one instance of every layer."""

    def instances(layers: Sequence[RealLayer]) -> Iterator[Instance]:
        return map(instance, layers)

    return instances
