"""How does a GGUF file become a checkpoint?"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.models.architecture import Architecture
from simulations.models.assemble import (
    build_blocks,
    build_embeddings,
    build_final_norm,
    require_tensors,
)
from simulations.models.checkpoint import Checkpoint
from simulations.models.families.gguf import GGUF_LLAMA
from simulations.models.gguf.container import Container, read_container
from simulations.models.gguf.unpack import PackedTable
from simulations.models.gguf.vocabulary import read_vocabulary
from simulations.models.messages import quote
from simulations.models.rotary import plain_frequencies
from simulations.models.shapes import expected_shapes
from theory.arrays import InputError

_FREQUENCIES: Final = "rope_freqs.weight"
_OUTSIDE = ("output.weight", _FREQUENCIES)
_REQUIRED: Final = object()


def read_gguf(
    path: Path, *, name: str, source: str, sha256: str, dtype: DTypeLike = np.float32
) -> Checkpoint:
    """Read a model of Llama's shape from a GGUF file.

    Raises: InputError if the file is truncated or corrupt, or its model of another kind
    """
    container = read_container(path)
    family, names = GGUF_LLAMA, GGUF_LLAMA.names
    model = _architecture(container)
    shapes = {name: tensor.shape for name, tensor in container.tensors.items()}
    require_tensors(container.file, shapes, family, model)
    strange = set(shapes) - set(expected_shapes(family, model)) - set(_OUTSIDE)
    if strange:
        raise InputError(
            f"{container.file} has {len(strange)} tensors that its settings do not account for, "
            f"the first {quote(min(strange))}: its model is not of Llama's shape"
        )
    used: set[str] = set()
    turned = {f"{names.query}{names.weight}": model.heads}
    turned |= {f"{names.key}{names.weight}": model.groups_of_keys}

    def read(name: str) -> NDArray[Any]:
        tensor = container.tensors[name]
        used.add(tensor.packing.name)
        found = tensor.packing.read(tensor.codes, tensor.shape, dtype)
        heads = turned.get(name.split(".", 2)[-1])
        return found if heads is None else apart(found, heads)

    table = container.tensors[names.word + names.table]
    used.add(table.packing.name)
    word = PackedTable(table.codes, table.shape, table.packing, dtype)
    blocks = build_blocks(read, family, model, dtype=dtype)
    return Checkpoint(
        name=name,
        source=source,
        weights_sha256=sha256,
        architecture=model,
        embeddings=build_embeddings(read, family, model, dtype=dtype, word=word),
        blocks=blocks,
        tokenizer=read_vocabulary(container),
        final_norm=build_final_norm(read, family, model, dtype=dtype),
        widened=" and ".join(sorted(used - {"F32"})) or None,
    )


def apart(matrix: NDArray[Any], heads: int) -> NDArray[Any]:
    """Put the two features that are turned together half a head apart, as Llama has them.

    These files keep them side by side.

    Shapes: matrix (h k, d) -> (h k, d)
    """
    pairs = matrix.reshape(heads, -1, 2, matrix.shape[-1])
    return np.ascontiguousarray(np.swapaxes(pairs, 1, 2)).reshape(matrix.shape)


def _architecture(container: Container) -> Architecture:
    file, settings = container.file, container.settings
    kind = settings.get("general.architecture")
    if kind != "llama":
        raise InputError(
            f"{file} holds a model of kind {quote(kind)}, but of GGUF files only 'llama' is read"
        )

    def number(key: str, kind: type, least: float, default: object = _REQUIRED) -> Any:
        value = settings.get(f"llama.{key}", default)
        fine = isinstance(value, kind) and not isinstance(value, bool)
        if not fine or not least <= value < 2**31:
            shown = "missing" if value is _REQUIRED else quote(value)
            raise InputError(
                f"{file}: llama.{key} must be a number from {least:g} up, but is {shown}"
            )
        return value

    width, heads = number("embedding_length", int, 1), number("attention.head_count", int, 1)
    if width % heads:
        raise InputError(f"{file} is corrupt: {heads} heads do not fit the width {width}")
    features = width // heads
    if (turned := number("rope.dimension_count", int, 2, features)) != features:
        raise InputError(
            f"{file}: llama.rope.dimension_count must be {features}, the features of a head, but "
            f"is {turned}"
        )
    if "llama.rope.scaling.type" in settings or number("expert_count", int, 0, 0):
        raise InputError(f"{file}: models with experts or stretched positions are not read")
    layers = number("block_count", int, 1)
    table = container.tensors.get("token_embd.weight")
    base = number("rope.freq_base", float, 1, 10000.0)
    eps = number("attention.layer_norm_rms_epsilon", float, 0)
    return Architecture(
        model_type="llama",
        layers=layers,
        width=width,
        heads=heads,
        ffn=number("feed_forward_length", int, 1),
        activation="silu",
        # Kept as float32, whose nearest number to 1e-5 is not 1e-5.
        norm_eps=float(f"{eps:.6g}"),
        vocabulary=0 if table is None else table.shape[0],
        positions=number("context_length", int, 1),
        token_types=0,
        embedding_width=width,
        groups=layers,
        placement=GGUF_LLAMA.placement,
        norm=GGUF_LLAMA.norm,
        causal=True,
        gated=True,
        key_heads=number("attention.head_count_kv", int, 1, heads),
        biases=frozenset(),
        frequencies=_frequencies(container, base, features),
    )


def _frequencies(container: Container, base: float, features: int) -> tuple[float, ...]:
    """Return how fast pairs are turned; some files keep what slows each of them down."""
    plain = plain_frequencies(base, features // 2)
    tensor = container.tensors.get(_FREQUENCIES)
    if tensor is None:
        return plain
    slower = tensor.packing.read(tensor.codes, tensor.shape, np.float64).ravel()
    if len(slower) != len(plain) or not (slower > 0).all():
        raise InputError(
            f"{container.file}: {_FREQUENCIES} must be {len(plain)} positive numbers, but is not"
        )
    return tuple((np.asarray(plain) / slower).tolist())
