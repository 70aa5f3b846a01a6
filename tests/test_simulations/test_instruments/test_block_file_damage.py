"""Is a damaged, foreign or lying file refused, and code in it never run?"""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from simulations.instruments.block_file import read_block
from tests.test_simulations.helpers.block_files import D, N, scores, weights, write
from theory.arrays import InputError


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.npz does not exist"):
        read_block(tmp_path / "gone.npz")
    with pytest.raises(InputError, match="is a folder"):
        read_block(tmp_path)


def test_a_bare_array_is_not_a_block(tmp_path: Path) -> None:
    path = tmp_path / "tokens.npy"
    np.save(path, np.ones((N, D)))
    with pytest.raises(InputError, match=r"tokens.npy holds one bare array; an .npz file"):
        read_block(path)


class _Bomb:
    """Something whose unpickling would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("pickled code was run",))


@pytest.mark.parametrize("inside", [False, True])
def test_pickled_code_is_never_run(tmp_path: Path, inside: bool) -> None:
    path = tmp_path / "block.npz"
    if inside:
        box = np.empty(1, dtype=object)
        box[0] = _Bomb()
        np.savez(path, **weights() | {"tokens": box})
    else:
        path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(InputError, match=r"block.npz must be an .npz file of plain arrays"):
        read_block(path)


def test_other_bytes_in_the_place_of_an_array_are_refused(tmp_path: Path) -> None:
    arrays = weights()
    del arrays["tokens"]
    for bytes_ in (b"", b"abc", b"\x93NUMPY"):
        path = write(tmp_path, arrays)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("tokens.npy", bytes_)
        with pytest.raises(InputError, match=r"tokens must be an array|block.npz"):
            read_block(path)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, -4), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), ",
        "(((((",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3, 4), }",
        "{'shape': (3, 4)}",
        "[]",
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: str) -> None:
    arrays = weights()
    del arrays["tokens"]
    path = write(tmp_path, arrays)
    line = header.encode() + b"\n"
    bytes_ = b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + b"\0" * 96
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("tokens.npy", bytes_)
    with pytest.raises(InputError, match=r"block.npz"):
        read_block(path)


def _whole(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **scores())
    return buffer.getvalue()


WHOLE = {compressed: _whole(compressed) for compressed in (False, True)}


@given(compressed=st.booleans(), share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, compressed: bool, share: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.npz"
    path.write_bytes(WHOLE[compressed][: int(share * len(WHOLE[compressed]))])
    with pytest.raises(InputError, match=r"cut.npz"):
        read_block(path)


@given(
    compressed=st.booleans(),
    # Distances from the end too: there stands the directory, whose numbers zipfile believes.
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True) | st.integers(-2200, -1), st.integers(1, 255)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_damaged_file_is_read_as_it_was_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    compressed: bool,
    flips: list[tuple[Any, int]],
) -> None:
    bytes_ = bytearray(WHOLE[compressed])
    for place, change in flips:
        bytes_[int(place * len(bytes_)) if isinstance(place, float) else place] ^= change
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    path.write_bytes(bytes(bytes_))
    try:
        found = read_block(path)
    except InputError:
        return
    # Zip keeps a sum of every array's bytes: what is read is what was written.
    np.testing.assert_array_equal(found.tokens, scores()["tokens"])
    np.testing.assert_array_equal(found.block.attention.value, scores()["value_output"])
