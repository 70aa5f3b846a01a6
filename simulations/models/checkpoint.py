"""What is a pretrained model here, once its weights are read?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from simulations.models.architecture import Architecture
from simulations.models.messages import quote
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

    @property
    def dtype(self) -> Any:
        """The floating dtype of the rows."""

    def __getitem__(self, numbers: Any, /) -> Any:
        """Return the rows with the given numbers: integers (*b,) -> (*b, e)."""


@brief_repr
@dataclass(frozen=True, eq=False)
class Embeddings:
    """What turns token numbers into tokens, before the first block.

    The word's row times ``scale``, the position's row and the first row of the token types are
    added and normalised, then mapped by ``projection`` where the embeddings are narrower than the
    tokens. What a model does not have is None, or a norm of kind "none".

    Shapes: word (vocabulary, e), position (positions, e) or None, token_type (types, e) or None,
            projection (e, d) and projection_bias (d,) or None where e = d
    """

    word: Rows
    position: NDArray[Any] | None
    token_type: NDArray[Any] | None
    norm: Norm
    projection: NDArray[Any] | None = None
    projection_bias: NDArray[Any] | None = None
    scale: float = 1.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating dtype of the tokens."""
        dtype: np.dtype[Any] = np.dtype(self.word.dtype)
        return dtype


@brief_repr
@dataclass(frozen=True, eq=False)
class Patches:
    """What turns an image into tokens: its marks, then its patches, row by row.

    ``position`` is added to marks and patches; ``registers`` stand after the marks and get none.

    Shapes: weight (c p p, d), of patches of p x p points in c colours; bias (d,); marks (m, d);
            registers (r, d); position (m + patches, d)
    """

    weight: NDArray[Any]
    bias: NDArray[Any]
    marks: NDArray[Any]
    registers: NDArray[Any]
    position: NDArray[Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating dtype of the tokens."""
        return self.weight.dtype


@brief_repr
@dataclass(frozen=True)
class Pixels:
    """What is done to an image before a model sees it.

    It is resized so that its shorter side has ``shorter`` points, or, if that is None, to the
    model's own square; its middle is cut out, and of its values, from 0 to 1, ``mean`` is taken
    off and ``std`` divides the rest, colour by colour. ``resample`` is Pillow's number of a filter.
    """

    shorter: int | None = None
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    resample: int = 2


@brief_repr
@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A pretrained model in this project's own terms.

    ``source`` says where the weights came from, without a path of this machine: a package and
    its version, a hub id and its revision, or the name of a folder or file. ``weights_sha256``
    is the digest of the weights' file (of several shards: of their bytes, in order of name).
    ``widened`` names the dtypes or packings of fewer bits that weights were kept in, if any. Halves
    are read as float32 and packings as float64, which loses nothing; a packing in float32 may be
    rounded once.
    ``final_norm`` stands after the last block and belongs to none.
    ``tokenizer`` is None for models of images, and ``pixels`` for those of texts.
    """

    name: str
    source: str
    weights_sha256: str
    architecture: Architecture
    embeddings: Embeddings | Patches
    blocks: tuple[Block, ...]
    tokenizer: Tokenizer | None
    widened: str | None = None
    final_norm: Norm | None = None
    pixels: Pixels | None = None

    @property
    def reads_images(self) -> bool:
        """Whether it is shown images and no texts."""
        return self.architecture.image is not None


def embeddings_of(checkpoint: Checkpoint) -> Embeddings:
    """Return what turns the token numbers of texts into tokens.

    Raises: InputError if the model reads images
    """
    if isinstance(checkpoint.embeddings, Patches):
        raise InputError(f"{quote(checkpoint.name)} reads images, not texts")
    return checkpoint.embeddings


def tokenizer_of(checkpoint: Checkpoint) -> Tokenizer:
    """Return what splits texts for a model.

    Raises: InputError if it reads images
    """
    if checkpoint.tokenizer is None:
        raise InputError(
            f"{quote(checkpoint.name)} reads images, not texts; analyze --images FILE shows it some"
        )
    return checkpoint.tokenizer
