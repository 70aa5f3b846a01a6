from simulations.models.architecture import Architecture
from simulations.models.catalogue import KNOWN, KnownModel
from simulations.models.checkpoint import Checkpoint, Embeddings, Pixels, Tokenizer
from simulations.models.find import load_checkpoint
from simulations.models.forward import LayerRun, causal_mask, embed, run
from simulations.models.images import encode_images
from simulations.models.texts import DEFAULT_TEXTS, TextFile, read_texts, sentences
from simulations.models.tokens import Encoded, encode

__all__ = [
    "DEFAULT_TEXTS",
    "KNOWN",
    "Architecture",
    "Checkpoint",
    "Embeddings",
    "Encoded",
    "KnownModel",
    "LayerRun",
    "Pixels",
    "TextFile",
    "Tokenizer",
    "causal_mask",
    "embed",
    "encode",
    "encode_images",
    "load_checkpoint",
    "read_texts",
    "run",
    "sentences",
]
