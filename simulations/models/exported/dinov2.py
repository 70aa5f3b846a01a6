"""How is a DINOv2 that was exported to ONNX read?

The positions stand apart, as those of [CLS] and those of a grid of patches.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.models.architecture import Architecture, ImageShape
from simulations.models.assemble import (
    build_blocks,
    build_embeddings,
    build_final_norm,
    require_tensors,
)
from simulations.models.checkpoint import Checkpoint, Patches, Pixels
from simulations.models.exported.graph import Graph
from simulations.models.exported.weights import numbers_of, weights_of
from simulations.models.families.vit import DINOV2
from simulations.models.grid import stretched
from theory.arrays import InputError

_HEAD_FEATURES: Final = 64
"""In every DINOv2; no tensor shows it."""
MARK: Final = "embeddings.cls_token"
"""What the graph of a DINOv2 holds, and no other's."""
_PIXELS = Pixels(shorter=256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resample=3)
"""What its authors do to images; they then cut out 224 points a side."""
_SIDE = 224


def read_dinov2(
    graph: Graph,
    prefix: str,
    *,
    path: Path,  # noqa: ARG001 - nothing lies beside the file of a model of images
    name: str,
    source: str,
    sha256: str,
    dtype: DTypeLike,
) -> Checkpoint:
    """Read a DINOv2 from a graph, in which ``prefix`` stands before all its names.

    Raises: InputError if a weight is missing, or of another shape
    Source: oquab2024dinov2
    """
    file = graph.file
    tensors = _tensors(graph, prefix)
    model = _architecture(tensors, file)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    require_tensors(file, shapes, DINOV2, model)
    embeddings = build_embeddings(tensors.__getitem__, DINOV2, model, dtype=dtype)
    blocks = build_blocks(tensors.__getitem__, DINOV2, model, dtype=dtype)
    assert isinstance(embeddings, Patches)  # as the family reads images
    shown, patches = stretched(model, embeddings, _SIDE)
    return Checkpoint(
        name=name,
        source=source,
        weights_sha256=sha256,
        architecture=shown,
        embeddings=patches,
        blocks=blocks,
        tokenizer=None,
        final_norm=build_final_norm(tensors.__getitem__, DINOV2, model, dtype=dtype),
        pixels=_PIXELS,
    )


def _tensors(graph: Graph, prefix: str) -> dict[str, NDArray[Any]]:
    """Return the weights of the model inside, under the names that DINOv2's own files have."""
    found = {name: numbers_of(weights) for name, weights in weights_of(graph, prefix).items()}
    found[DINOV2.names.position] = _positions(graph.kept, found[MARK].shape[-1], graph.file)
    return found


def _positions(kept: dict[str, NDArray[Any]], width: int, file: str) -> NDArray[Any]:
    """Put the positions of [CLS] and of the patches together again."""
    tables = [t for name, t in kept.items() if "." not in name and t.shape[::2] == (1, width)]
    own, grid = ([t for t in tables if (t.shape[1] == 1) is one] for one in (True, False))
    if len(own) != 1 or len(grid) != 1 or own[0].ndim != 3:
        raise InputError(
            f"{file} must keep its positions as one row and one grid, but keeps "
            f"{[t.shape for t in tables]}"
        )
    return np.concatenate([own[0], grid[0]], axis=1)


def _architecture(tensors: dict[str, NDArray[Any]], file: str) -> Architecture:
    names = DINOV2.names
    patches, first = tensors.get(names.patches + ".weight"), names.layer.format(0)
    hidden = tensors.get(f"{first}{names.ffn_in}.bias")
    if patches is None or hidden is None or patches.ndim != 4:
        raise InputError(f"{file} must hold a DINOv2 with patches and layers, but lacks them")
    width, channels, patch, _ = patches.shape
    start = names.layer.split("{")[0]
    layers = 1 + max(int(n.split(".")[2]) for n in tensors if n.startswith(start))
    positions = tensors[names.position].shape[1]
    side = round((positions - 1) ** 0.5)
    return Architecture(
        model_type="dinov2",
        layers=layers,
        width=width,
        heads=max(1, width // _HEAD_FEATURES),
        ffn=hidden.size,
        activation="gelu",
        norm_eps=DINOV2.default_eps,
        vocabulary=0,
        positions=positions,
        token_types=0,
        embedding_width=width,
        groups=layers,
        placement=DINOV2.placement,
        image=ImageShape(size=side * patch, patch=patch, channels=channels),
    )
