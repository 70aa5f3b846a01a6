"""Pretrained post-LN encoders as this project's own blocks, and texts as their tokens."""

from simulations.checkpoints.checkpoint import Architecture, Checkpoint, Embeddings
from simulations.checkpoints.find import KNOWN, load_checkpoint
from simulations.checkpoints.forward import LayerRun, embed, run
from simulations.checkpoints.tokens import Encoded, Tokenizer, encode

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
