"""What is a pretrained model here, once its weights are read?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from theory.arrays import InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Block
from theory.records import brief_repr

if TYPE_CHECKING:  # the tokenizers library, which not everybody has
    from tokenizers import Tokenizer as Engine


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """What splits texts: the engine, and what the engine does not know.

    ``prefix`` is put before every text, because some models were trained so. ``characters``
    are replaced before the engine sees the text. ``pad_id`` fills up shorter texts; masks
    keep it from being heard. ``longest`` is how many tokens a text may have by the tokenizer's
    settings, and ``cut`` the end at which longer ones are cut off.
    """

    engine: "Engine"
    pad_id: int = 0
    prefix: str = ""
    characters: Mapping[int, str] = field(default_factory=dict)
    longest: int | None = None
    cut: Literal["left", "right"] = "right"


class Rows(Protocol):
    """A matrix of which rows are asked for by number: a NumPy array, or a packed one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, and their length."""

    def __getitem__(self, numbers: Any, /) -> Any:
        """Return the rows with the given numbers: integers (*b,) -> (*b, e)."""


@dataclass(frozen=True)
class Architecture:
    """The numbers that fix every weight's shape, and the settings that no weight shows.

    ``groups`` counts the blocks with weights of their own: ALBERT repeats one block.
    ``first_position`` is the row of the position table that the first token gets: RoBERTa
    leaves the rows up to its padding number unused. ``embedding_width`` differs from ``width``
    where the embeddings are mapped to the tokens by a matrix.
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

    def __post_init__(self) -> None:
        # A damaged file may say a billion; nobody has trained a thousand yet.
        if max(self.layers, self.groups) > 10_000:
            raise InputError(f"a model must have at most 10000 layers, but has {self.layers}")
        if self.longest < 1:
            raise InputError(
                f"a model must have room for a token, but its {self.positions} positions begin "
                f"at {self.first_position}"
            )

    @property
    def longest(self) -> int:
        """How many tokens a text may have, special tokens included."""
        return self.positions - self.first_position


@brief_repr
@dataclass(frozen=True, eq=False)
class Embeddings:
    """What turns token numbers into tokens, before the first block.

    The sum of the word's row, the position's row and the first row of the token types is
    normalised, then mapped by ``projection`` where the embeddings are narrower than the tokens.

    Shapes: word (vocabulary, e), position (positions, e), token_type (types, e) or None,
            projection (e, d) and projection_bias (d,) or None where e = d
    """

    word: Rows
    position: NDArray[Any]
    token_type: NDArray[Any] | None
    norm: Norm
    projection: NDArray[Any] | None = None
    projection_bias: NDArray[Any] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating dtype of the tokens."""
        return self.position.dtype


@brief_repr
@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A pretrained post-LN encoder in this project's own terms.

    ``source`` says where the weights came from, without a path of this machine: a package and
    its version, a hub id and its revision, or the name of a folder or file. ``weights_sha256``
    is the digest of the weights' file (of several shards: of their bytes, in order of name).
    ``widened`` names the dtypes of 16 bits that weights were kept in, if any: they were read as
    float32, which loses nothing.
    """

    name: str
    source: str
    weights_sha256: str
    architecture: Architecture
    embeddings: Embeddings
    blocks: tuple[Block, ...]
    tokenizer: Tokenizer
    widened: str | None = None
