"""Which small GGUF files do the tests read? Written here, byte by byte, for them."""

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.models.families.gguf import GGUF_LLAMA
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture

WORDS = ("<|end|>", *"abcdefghijklmnopqrstuvwxyz0123456789", "Ġ", "Ġa", "ra", "ph")
MERGES = ("Ġ a", "r a", "p h")
MODEL = architecture(
    vocabulary=len(WORDS),
    width=32,
    heads=4,
    key_heads=2,
    ffn=64,
    layers=2,
    norm="rms",
    gated=True,
    biases=frozenset(),
    token_types=0,
    frequencies=(1.0, 0.1, 0.01, 0.001),
)
TENSORS = random_tensors(expected_shapes(GGUF_LLAMA, MODEL))
SETTINGS: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 16,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": list(WORDS),
    "tokenizer.ggml.token_type": [3] + [1] * (len(WORDS) - 1),
    "tokenizer.ggml.merges": list(MERGES),
    "tokenizer.ggml.add_bos_token": False,
    "tokenizer.ggml.padding_token_id": 0,
}


def plain(tensor: NDArray[Any]) -> bytes:
    return tensor.astype("<f4").tobytes()


def eight_bits(tensor: NDArray[Any]) -> bytes:
    """Pack weights scale * code one by one."""
    out = b""
    for part in tensor.reshape(-1, 32):
        scale = np.float16(abs(part).max() / 127)
        out += scale.tobytes() + struct.pack("<32b", *(round(float(w / scale)) for w in part))
    return out


def four_bits(tensor: NDArray[Any]) -> bytes:
    """Pack weights scale * code + least one by one."""
    out = b""
    for part in tensor.reshape(-1, 32):
        scale, least = np.float16((part.max() - part.min()) / 15), np.float16(part.min())
        codes = [min(max(round(float((w - least) / scale)), 0), 15) for w in part]
        out += scale.tobytes() + least.tobytes()
        out += bytes(codes[j] | codes[j + 16] << 4 for j in range(16))
    return out


PACK: dict[int, Callable[[NDArray[Any]], bytes]] = {0: plain, 3: four_bits, 8: eight_bits}


def gguf_file(
    settings: Mapping[str, Any] = SETTINGS,
    tensors: Mapping[str, NDArray[Any]] = TENSORS,
    *,
    matrices: int = 0,
) -> bytes:
    """Return the bytes of a file, its matrices packed in the way of a number."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(settings))
    for name, value in settings.items():
        head += text(name) + valued(value)
    body = b""
    for name, tensor in tensors.items():
        kind = matrices if tensor.ndim == 2 else 0
        axes = tuple(reversed(tensor.shape))
        head += text(name) + struct.pack(f"<I{len(axes)}Q", len(axes), *axes)
        head += struct.pack("<IQ", kind, len(body))
        packed = PACK[kind](tensor)
        body += packed + b"\0" * (-len(packed) % 32)
    return head + b"\0" * (-len(head) % 32) + body


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def valued(value: Any) -> bytes:
    """Return a value with its kind before it."""
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    inner = b"".join(valued(each)[4:] for each in value)
    kind = 8 if isinstance(value[0], str) else 4
    return struct.pack("<IIQ", 9, kind, len(value)) + inner
