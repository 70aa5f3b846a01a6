"""What is in the folder of a small BERT?"""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import save_file

from simulations.models.architecture import Architecture
from simulations.models.checkpoint import Checkpoint
from simulations.models.families.bert import BERT
from simulations.models.forward import run
from simulations.models.shapes import expected_shapes
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import (
    WORDS,
    random_tensors,
    write_settings,
    write_tokenizer,
)


def architecture(**changes: Any) -> Architecture:
    """Return that of a small BERT; the settings in `tiny.SETTINGS` describe it."""
    said: dict[str, Any] = {"vocabulary": len(WORDS), "positions": 16, "width": 8, "ffn": 12}
    said |= {"heads": 2, "layers": 2, "token_types": 2, "activation": "gelu", "norm_eps": 1e-12}
    said |= changes
    said |= {"embedding_width": said["width"], "groups": said["layers"]}
    return Architecture(model_type="bert", **said)


TENSORS = random_tensors(expected_shapes(BERT, architecture()))


def write_folder(
    folder: Path, tensors: dict[str, NDArray[Any]] | None = None, **settings: Any
) -> Path:
    write_settings(folder, **settings)
    write_tokenizer(folder)
    save_file(TENSORS if tensors is None else tensors, folder / "model.safetensors")
    return folder


def last_tokens(checkpoint: Checkpoint) -> NDArray[Any]:
    *_, last = run(checkpoint, encode(checkpoint, ["a graph of tokens fades"]))
    tokens: NDArray[Any] = last.step.output
    return tokens
