"""Which model is in a file of ONNX?"""

from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import DTypeLike

from simulations.models.checkpoint import Checkpoint
from simulations.models.exported.dinov2 import MARK as DINOV2_MARK
from simulations.models.exported.dinov2 import read_dinov2
from simulations.models.exported.graph import Graph, read_graph
from simulations.models.exported.t5 import MARK as T5_MARK
from simulations.models.exported.t5 import read_t5
from theory.arrays import InputError


class _Reader(Protocol):
    def __call__(
        self,
        graph: Graph,
        prefix: str,
        *,
        path: Path,
        name: str,
        source: str,
        sha256: str,
        dtype: DTypeLike,
    ) -> Checkpoint: ...


_READERS: Final[dict[str, _Reader]] = {DINOV2_MARK: read_dinov2, T5_MARK: read_t5}


def read_exported(
    path: Path, *, name: str, source: str, sha256: str, dtype: DTypeLike = np.float32
) -> Checkpoint:
    """Read a DINOv2, or a T5's encoder, from the ONNX file of a model that stands on it.

    Raises: InputError if the file is truncated or corrupt, or holds another model
    """
    graph = read_graph(path)
    marks = [
        (kept.removesuffix("_quantized").removesuffix(mark), read)
        for mark, read in _READERS.items()
        for kept in graph.kept
        if kept.removesuffix("_quantized").endswith(mark)
    ]
    if len(marks) != 1:
        raise InputError(
            f"{graph.file} must hold one DINOv2 or one encoder of T5, but holds {len(marks)}"
        )
    ((prefix, read),) = marks
    return read(graph, prefix, path=path, name=name, source=source, sha256=sha256, dtype=dtype)
