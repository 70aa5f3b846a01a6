"""How is a Hugging Face checkpoint of the BERT family read from its folder?"""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.checkpoints.assemble import build_blocks, build_embeddings, require_tensors
from simulations.checkpoints.checkpoint import Checkpoint
from simulations.checkpoints.messages import quote, quote_path, reason
from simulations.checkpoints.names import Names, expected_shapes
from simulations.checkpoints.settings import read_architecture, read_json
from simulations.checkpoints.tokenizer import read_tokenizer
from simulations.checkpoints.tokens import missing_extra
from theory.arrays import InputError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_DTYPES = {"F64", "F32", "F16"}  # what NumPy has, too
# What tasks add to an encoder, and numbers that older files keep though nobody trained them.
_HEADS = (
    *("pooler.", "cls.", "classifier.", "pre_classifier.", "qa_outputs.", "lm_head."),
    *("predictions.", "sop_classifier.", "generator_predictions.", "generator_lm_head."),
    *("discriminator_predictions.", "vocab_transform.", "vocab_layer_norm."),
    *("vocab_projector.", "embeddings.position_ids", "embeddings.token_type_ids"),
)


def read_folder(
    folder: Path,
    *,
    name: str,
    source: str,
    sha256: str | None = None,
    dtype: DTypeLike = np.float32,
) -> Checkpoint:
    """Read config.json, the weights and the tokenizer of a folder.

    ``sha256``, if given, is what the weights must have.

    Raises: InputError if something is missing, corrupt, or of a kind that is not supported
    """
    model, names = read_architecture(folder / "config.json")
    shards = _shards(folder)
    digest = _digest(shards)
    if sha256 is not None:
        require_sha256(shards[0].name, digest, sha256)
    with ExitStack() as stack:
        tensors = _Tensors(stack, shards, names)
        require_tensors(tensors.file, tensors.shapes, names, model)
        _require_known(tensors, expected_shapes(names, model))
        return Checkpoint(
            name=name,
            source=source,
            weights_sha256=digest,
            architecture=model,
            embeddings=build_embeddings(tensors.read, names, model, dtype=dtype),
            blocks=build_blocks(tensors.read, names, model, dtype=dtype),
            tokenizer=read_tokenizer(folder),
        )


def require_sha256(file: str, found: str, wanted: str) -> None:
    """Raise InputError unless a file's digest is the wanted one."""
    if found != wanted:
        raise InputError(
            f"{file} is damaged, truncated or another version: its sha256 is {found}, "
            f"but {wanted} was wanted"
        )


def _shards(folder: Path) -> list[Path]:
    """Return the files that hold the weights, in order of name."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        files = read_json(folder / INDEX).get("weight_map")
        if not isinstance(files, dict) or not files:
            raise InputError(f"{INDEX} must have an object weight_map, but has {quote(files)}")
        there = {file.name for file in folder.iterdir()}  # asks nothing about a name too long
        for file in files.values():
            if not isinstance(file, str) or file not in there:
                raise InputError(f"{INDEX} names {quote(file)}, which is not in the folder")
        return [folder / file for file in sorted(set(files.values()))]
    if any(folder.glob("pytorch_model*.bin")):
        raise InputError(
            f"{quote_path(folder)} keeps its weights in pytorch_model.bin, a pickle, which can run "
            "code when it is read; convert it where you trust it: AutoModel.from_pretrained(folder)"
            ".save_pretrained(folder) of transformers writes model.safetensors"
        )
    raise InputError(f"{quote_path(folder)} has neither {WEIGHTS} nor {INDEX}")


def _digest(shards: list[Path]) -> str:
    digest = hashlib.sha256()
    for shard in shards:
        try:
            with shard.open("rb") as file:
                while chunk := file.read(1 << 22):
                    digest.update(chunk)
        except OSError as error:
            raise InputError(f"{quote(shard.name)} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


class _Tensors:
    """The tensors of some files, under names without the prefix that a task's head brings."""

    def __init__(self, stack: ExitStack, shards: list[Path], names: Names) -> None:
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError as error:
            raise InputError(missing_extra("safetensors")) from error
        self.file = shards[0].name if len(shards) == 1 else INDEX
        self._where: dict[str, tuple[Any, str]] = {}
        try:
            for shard in shards:
                opened = stack.enter_context(safe_open(shard, "numpy"))
                keys = opened.keys()  # a file is no dictionary: it cannot be iterated
                self._where |= {key: (opened, key) for key in keys}
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{quote(shard.name)} is truncated or corrupt: {reason(error)}"
            ) from error
        prefix = next((p for p in names.prefixes if p + names.word + ".weight" in self._where), "")
        self._where = {_rename(key, prefix): value for key, value in self._where.items()}
        self.shapes = {
            name: tuple(opened.get_slice(key).get_shape())
            for name, (opened, key) in self._where.items()
        }

    def read(self, name: str) -> NDArray[Any]:
        """Return a tensor."""
        opened, key = self._where[name]
        kept = opened.get_slice(key).get_dtype()
        if kept not in _DTYPES:
            raise InputError(
                f"{self.file}: {quote(key)} must be of F16, F32 or F64, but is of {kept}; "
                "convert the checkpoint to float32 first"
            )
        tensor: NDArray[Any] = opened.get_tensor(key)
        return tensor


def _rename(key: str, prefix: str) -> str:
    """Drop the prefix; give gain and shift of old files their present names."""
    name = key.removeprefix(prefix)
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith("LayerNorm" + old):
            name = name.removesuffix(old) + new
    return name


def _require_known(tensors: _Tensors, expected: Mapping[str, object]) -> None:
    """Refuse tensors that nobody here would use: they would mean another model."""
    strange = [
        name for name in tensors.shapes if name not in expected and not name.startswith(_HEADS)
    ]
    if strange:
        raise InputError(
            f"{tensors.file} has {len(strange)} tensors that its config.json does not account "
            f"for, the first {quote(min(strange))}: its model is not the one that it says"
        )
