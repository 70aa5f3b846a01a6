"""Which numbers fix a model's weights, and which settings does no weight show?"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Final, Literal

from theory.arrays import InputError
from theory.blocks.weights import Placement
from theory.records import brief_repr

PLAIN_BIASES: Final = frozenset(("query", "key", "value", "output", "ffn_in", "ffn_out"))
"""The maps that have a bias in BERT and most of those that came before Llama."""

_LONGEST_RELATIVE: Final = 100_000
"""Each is a number for each head; a damaged file may ask for thousands of millions."""


@dataclass(frozen=True)
class ImageShape:
    """Square images of ``size`` points a side, cut into square patches.

    ``marks`` counts the tokens of the table of positions that stand before the patches, [CLS]
    and the like; ``registers`` further ones, which have no position.
    """

    size: int
    patch: int
    channels: int
    marks: int = 1
    registers: int = 0

    def __post_init__(self) -> None:
        if self.size < self.patch or self.size > 10_000:
            raise InputError(
                f"image_size must be from patch_size, {self.patch}, up to 10000, but is {self.size}"
            )

    @property
    def side(self) -> int:
        """How many patches stand side by side; points beyond the last whole one are not read."""
        return self.size // self.patch

    @property
    def tokens(self) -> int:
        """How many tokens an image becomes."""
        return self.marks + self.registers + self.side**2


@brief_repr
@dataclass(frozen=True)
class Architecture:
    """The numbers that fix every weight's shape, and the settings that no weight shows.

    ``groups`` counts the blocks with weights of their own: ALBERT repeats one block.
    ``first_position`` is the row of the position table that the first token gets: RoBERTa
    leaves the rows up to its padding number unused. ``embedding_width`` differs from ``width``
    where the embeddings are mapped to the tokens by a matrix.
    ``key_heads`` is None where each query head has keys and values of its own, ``head_width``
    where the heads share the width. ``biases`` names the maps that have one. ``frequencies`` are
    those of rotary positions, one for each pair of features that is turned. ``buckets`` is the
    number of rows of a table of relative positions, 0 for none; from ``farthest`` on all share
    one. ``slopes``: scores fall with the distance. ``window`` is how many tokens a token hears at
    most, itself included; None for all. ``windowed`` says for each layer whether it has the window;
    empty where all have. ``soft_cap`` bounds scores, and ``score_scale`` multiplies them; None
    where nothing does, or what is usual. ``word_scale`` multiplies the embeddings, and
    ``gain_offset`` is added to every norm's gain. ``image`` is None for texts.
    """

    model_type: str
    layers: int
    width: int
    heads: int
    ffn: int
    activation: str
    norm_eps: float
    vocabulary: int
    positions: int
    token_types: int
    embedding_width: int
    groups: int
    first_position: int = 0
    placement: Placement = "post"
    norm: Literal["layer", "rms"] = "layer"
    causal: bool = False
    gated: bool = False
    key_heads: int | None = None
    head_width: int | None = None
    biases: Set[str] = PLAIN_BIASES
    frequencies: tuple[float, ...] = ()
    buckets: int = 0
    farthest: int = 128
    slopes: bool = False
    window: int | None = None
    windowed: tuple[bool, ...] = ()
    soft_cap: float | None = None
    score_scale: float | None = None
    word_scale: float = 1.0
    gain_offset: float = 0.0
    image: ImageShape | None = None

    def __post_init__(self) -> None:
        # A damaged file may say a billion; nobody has trained a thousand yet.
        if max(self.layers, self.groups) > 10_000:
            raise InputError(f"a model must have at most 10000 layers, but has {self.layers}")
        if self.heads % self.groups_of_keys:
            raise InputError(
                f"a model's {self.heads} heads must be shared out evenly among its "
                f"{self.groups_of_keys} heads of keys and values"
            )
        if 2 * len(self.frequencies) > self.head_features:
            raise InputError(
                f"a head has {self.head_features} features, but {2 * len(self.frequencies)} are to "
                "be turned by their position"
            )
        if self.buckets and (self.buckets % 2 or self.farthest <= self.buckets // 4):
            raise InputError(
                f"a table of relative positions must have an even number of rows, at most 4 times "
                f"as many as it reaches, but has {self.buckets} and reaches {self.farthest}"
            )
        if (self.buckets or self.slopes) and self.longest > _LONGEST_RELATIVE:
            raise InputError(
                f"a model with relative positions must have at most {_LONGEST_RELATIVE} of them, "
                f"but has {self.longest}"
            )
        if self.longest < 1:
            raise InputError(
                f"a model must have room for a token, but its {self.positions} positions begin "
                f"at {self.first_position}"
            )

    @property
    def longest(self) -> int:
        """How many tokens a text may have, special tokens included."""
        return self.positions - self.first_position

    @property
    def groups_of_keys(self) -> int:
        """The number of heads that keys and values have."""
        return self.heads if self.key_heads is None else self.key_heads

    @property
    def head_features(self) -> int:
        """How many features a head has."""
        return self.width // self.heads if self.head_width is None else self.head_width
