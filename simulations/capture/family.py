"""What are the parts of a model's blocks called?"""

from dataclasses import dataclass

from theory.arrays import InputError
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, kw_only=True)
class Family:
    """Names of the modules inside a block, as ``named_modules`` of the block spells them.

    Only names: where the norms stand, of which kind they are, how value matrices lie in a joint
    projection, which half of a joint projection is the gate, the activation, and the factors on
    the residual stream are all found, and a wrong name is refused.

    ``blocks``: the end of the path of the list that holds the blocks, "encoder.layer", say.
    ``attention``: the module inside which the attention weights come to be; "" is the block.
    ``value``, ``output``: value projection (it may hold queries and keys too) and output
    projection; a `torch.nn.MultiheadAttention` is its own value projection.
    ``up``, ``down``, ``gate``: the feed-forward projections; a joint gate and up is ``up``.
    ``norms``: all norms of the block, in any order.
    ``scales``: what multiplies each feature of the two sublayers' outputs (LayerScale), or none.
    ``measured``: a feed-forward sublayer whose weights are not read (experts), without up and down.
    ``cross``: the attention to another text, if a block may have one.
    ``windows``: whether tokens listen inside windows only, and are moved into them.

    Raises: InputError if the names of a feed-forward sublayer do not go together
    """

    blocks: str
    attention: str
    value: str
    output: str
    up: str | None = None
    down: str | None = None
    gate: str | None = None
    norms: tuple[str, ...] = ()
    scales: tuple[str, ...] = ()
    measured: str | None = None
    cross: str | None = None
    windows: bool = False

    def __post_init__(self) -> None:
        if (self.up is None) != (self.down is None) or (self.gate and not self.up):
            raise InputError(
                f"up and down must both be named, or neither, but are {self.up!r} and "
                f"{self.down!r} (gate: {self.gate!r})"
            )
        if self.up and self.measured:
            raise InputError(
                f"measured must be left out where up is named, but is {self.measured!r}: a "
                "sublayer is read or only measured"
            )
        if len(self.scales) not in (0, 2):
            raise InputError(f"scales must be two names or none, but are {self.scales}")

    @property
    def parts(self) -> dict[str, str]:
        """What each module of a block that has to be there is for, by its name."""
        named = {"value": self.value, "output": self.output, "up": self.up, "down": self.down}
        named |= {"gate": self.gate, "measured": self.measured, "attention": self.attention}
        named |= {f"norms[{i}]": name for i, name in enumerate(self.norms)}
        named |= {f"scales[{i}]": name for i, name in enumerate(self.scales)}
        return {use: name for use, name in named.items() if name}
