"""How is a Hugging Face checkpoint read from its folder?"""

import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.machine.packages import require_sha256
from simulations.models.assemble import (
    build_blocks,
    build_embeddings,
    build_final_norm,
    require_tensors,
)
from simulations.models.checkpoint import Checkpoint, Patches, Tokenizer
from simulations.models.families.family import Names
from simulations.models.grid import stretched
from simulations.models.messages import quote, reason
from simulations.models.pickled import open_pickled
from simulations.models.pixels import crop_of, read_pixels
from simulations.models.settings import read_architecture, read_json
from simulations.models.shapes import expected_shapes
from simulations.models.shards import INDEX, digest_of, weight_files
from simulations.models.tokenizer.read import read_tokenizer
from simulations.models.tokens import missing_extra
from theory.arrays import InputError

_DTYPES = {"F64", "F32", "F16", "BF16"}
_HALVES = {"F16", "BF16"}  # both become float32 without rounding
# What tasks add to an encoder, and numbers that older files keep though nobody trained them.
_HEADS = (
    *("pooler.", "cls.", "classifier.", "pre_classifier.", "qa_outputs.", "lm_head."),
    *("predictions.", "sop_classifier.", "generator_predictions.", "generator_lm_head."),
    *("discriminator_predictions.", "vocab_transform.", "vocab_layer_norm."),
    *("vocab_projector.", "embeddings.position_ids", "embeddings.token_type_ids"),
    *("embed_out.", "score.", "cls_classifier.", "distillation_classifier."),
)
# Where a model that guesses words may keep their table, which it shares with the encoder.
_TIED = ("decoder.weight", "vocab_projector.weight", "generator_lm_head.weight")


def read_folder(
    folder: Path,
    *,
    name: str,
    source: str,
    sha256: str | None = None,
    dtype: DTypeLike = np.float32,
    words: Callable[[Path], Tokenizer] | None = None,
) -> Checkpoint:
    """Read config.json, the weights and the tokenizer of a folder.

    ``sha256``, if given, is what the weights must have. ``words`` reads the tokenizer where it is
    none of those that Hugging Face's own files describe.

    Raises: InputError if something is missing, corrupt, or of a kind that is not supported
    """
    model, family = read_architecture(folder / "config.json")
    shards = weight_files(folder)
    digest = digest_of(shards)
    if sha256 is not None:
        require_sha256(shards[0].name, digest, sha256)
    with ExitStack() as stack:
        tensors = _Tensors(stack, shards, family.names, tied=_is_tied(folder))
        require_tensors(tensors.file, tensors.shapes, family, model)
        _require_known(tensors, expected_shapes(family, model), family.names.no_weights)
        embeddings = build_embeddings(tensors.read, family, model, dtype=dtype)
        if family.stretches and model.image and (side := crop_of(folder)) is not None:
            assert isinstance(embeddings, Patches)
            model, embeddings = stretched(model, embeddings, side)
        blocks = build_blocks(tensors.read, family, model, dtype=dtype)
        return Checkpoint(
            name=name,
            source=source,
            weights_sha256=digest,
            architecture=model,
            embeddings=embeddings,
            blocks=blocks,
            tokenizer=None if model.image else (words or read_tokenizer)(folder),
            widened=" and ".join(sorted(tensors.halves)) or None,
            final_norm=build_final_norm(tensors.read, family, model, dtype=dtype),
            pixels=read_pixels(folder, model.image) if model.image else None,
        )


def _is_tied(folder: Path) -> bool:
    """Whether the matrix that guesses words is the table of words, as it mostly is."""
    return read_json(folder / "config.json").get("tie_word_embeddings") is not False


class _Kept(NamedTuple):
    """Where a tensor is: in an open file, under a name; and the file's path."""

    opened: Any
    key: str
    shard: Path


class _Tensors:
    """The tensors of some files, under names without what tasks and wrappers put before them.

    ``outside`` are the names of those that do not belong to the encoder.
    """

    def __init__(self, stack: ExitStack, shards: list[Path], names: Names, *, tied: bool) -> None:
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError as error:
            raise InputError(missing_extra("safetensors")) from error
        self.file = shards[0].name if len(shards) == 1 else INDEX
        self.halves: set[str] = set()  # the dtypes of 16 bits that were read
        self._where: dict[str, _Kept] = {}
        try:
            for shard in shards:
                if shard.suffix == ".bin":
                    opened: Any = open_pickled(shard)
                else:
                    opened = stack.enter_context(safe_open(shard, "numpy"))
                keys = opened.keys()  # a file is no dictionary: it cannot be iterated
                # torch.compile puts its wrapper's name before any module.
                self._where |= {
                    key.replace("_orig_mod.", ""): _Kept(opened, key, shard) for key in keys
                }
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{quote(shard.name)} is truncated or corrupt: {reason(error)}"
            ) from error
        prefix = self._prefix(names)
        self.outside = frozenset(key for key in self._where if not key.startswith(prefix))
        self._rename(prefix, names)
        if tied:
            self._find_words(names)
        self.shapes = {
            name: tuple(kept.opened.get_slice(kept.key).get_shape())
            for name, kept in self._where.items()
        }

    def _prefix(self, names: Names) -> str:
        """Return what stands before every name of the encoder; tasks and wrappers put it there."""
        for table in (names.word, names.position):  # the first may be kept elsewhere
            mark = table + names.table
            if not table:
                continue
            found = [key.removesuffix(mark) for key in self._where if key.endswith(mark)]
            found = sorted(prefix for prefix in found if prefix == "" or prefix.endswith("."))
            if len(found) > 1:
                raise InputError(
                    f"{self.file} has {len(found)} encoders, under "
                    f"{' and '.join(quote(prefix) for prefix in found[:3])}: keep one of them"
                )
            if found:
                return found[0]
        return ""

    def _rename(self, prefix: str, names: Names) -> None:
        renamed: dict[str, _Kept] = {}
        wrapper = prefix.removesuffix(names.prefixes[-1])
        for key, value in self._where.items():
            outside = key in self.outside
            name = key.removeprefix(wrapper) if outside else _present_name(key, prefix)
            if name in renamed:
                raise InputError(
                    f"{self.file} has {quote(name)} twice, as {quote(renamed[name].key)} and "
                    f"{quote(key)}: keep one of them"
                )
            renamed[name] = value
        self.outside = frozenset(key.removeprefix(wrapper) for key in self.outside)
        self._where = renamed

    def _find_words(self, names: Names) -> None:
        """Find the table of words where it is kept as the matrix that guesses words.

        The two are one tensor in most models, and a file of safetensors may keep it once.
        """
        word = names.word + names.table
        if not names.word:
            return
        kept = [name for name in self._where if name.endswith(_TIED)]
        if word not in self._where and len(kept) == 1:
            self._where[word] = self._where[kept[0]]

    def read(self, name: str) -> NDArray[Any]:
        """Return a tensor; one of 16 bits is for whoever asked to widen, which loses nothing."""
        opened, key, shard = self._where[name]
        kept = opened.get_slice(key).get_dtype()
        if kept not in _DTYPES:
            raise InputError(
                f"{self.file}: {quote(key)} must be of BF16, F16, F32 or F64, but is of {kept}; "
                "convert the checkpoint to float32 first"
            )
        self.halves |= _HALVES & {kept}
        if kept == "BF16" and shard.suffix != ".bin":
            return _read_bfloat16(shard, key)
        tensor: NDArray[Any] = opened.get_tensor(key)
        return tensor


def _read_bfloat16(shard: Path, key: str) -> NDArray[np.float32]:
    """Return a tensor in float32: NumPy has no bfloat16, the upper half of a float32.

    The safetensors library has checked the file's header by now, which says where the bytes are.
    """
    with shard.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        found = json.loads(file.read(length))[key]
        start, end = found["data_offsets"]
        file.seek(8 + length + start)
        upper = np.frombuffer(file.read(end - start), dtype="<u2")
    return (upper.astype(np.uint32) << 16).view(np.float32).reshape(found["shape"])


def _present_name(key: str, prefix: str) -> str:
    """Drop the prefix; give gain and shift of old files their present names."""
    name = key.removeprefix(prefix)
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith("LayerNorm" + old):
            name = name.removesuffix(old) + new
    return name


def _require_known(
    tensors: _Tensors, expected: Mapping[str, object], no_weights: tuple[str, ...]
) -> None:
    """Refuse tensors inside the encoder that nobody here would use: they mean another model.

    What stands outside is the head of a task; one that is not known is warned of.
    """
    roots = {name.split(".")[0] for name in expected}
    unknown = {
        name
        for name, shape in tensors.shapes.items()
        if name not in expected
        and 0 not in shape
        and not name.startswith(_HEADS)
        and not name.endswith(no_weights)
    }
    heads = {n for n in unknown if n in tensors.outside or n.split(".")[0] not in roots}
    strange = unknown - heads
    if strange:
        raise InputError(
            f"{tensors.file} has {len(strange)} tensors that its config.json does not account "
            f"for, the first {quote(min(strange))}: its model is not the one that it says"
        )
    if heads:
        warnings.warn(
            f"{tensors.file} has tensors outside the encoder ({len(heads)}, the first "
            f"{quote(min(heads))}); as the head of a task they are left out",
            stacklevel=4,  # where load_checkpoint was called
        )
