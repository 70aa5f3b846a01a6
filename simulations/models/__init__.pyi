from simulations.models.checkpoint import Architecture, Checkpoint, Embeddings, Tokenizer
from simulations.models.find import KNOWN, load_checkpoint
from simulations.models.forward import LayerRun, embed, run
from simulations.models.texts import DEFAULT_TEXTS, TextFile, read_texts, sentences
from simulations.models.tokens import Encoded, encode

__all__ = [
    "DEFAULT_TEXTS",
    "KNOWN",
    "Architecture",
    "Checkpoint",
    "Embeddings",
    "Encoded",
    "LayerRun",
    "TextFile",
    "Tokenizer",
    "embed",
    "encode",
    "load_checkpoint",
    "read_texts",
    "run",
    "sentences",
]
