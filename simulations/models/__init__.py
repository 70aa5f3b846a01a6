"""Pretrained post-LN encoders as this project's own blocks, and texts as their tokens."""

from simulations.models.checkpoint import Architecture, Checkpoint, Embeddings, Tokenizer
from simulations.models.find import KNOWN, load_checkpoint
from simulations.models.forward import LayerRun, embed, run
from simulations.models.tokens import Encoded, encode

__all__ = [
    "KNOWN",
    "Architecture",
    "Checkpoint",
    "Embeddings",
    "Encoded",
    "LayerRun",
    "Tokenizer",
    "embed",
    "encode",
    "load_checkpoint",
    "run",
]
