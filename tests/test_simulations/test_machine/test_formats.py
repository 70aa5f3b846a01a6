"""A file of any format is read whole or refused in one line, before it takes memory."""

import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.fusion.files import read_runs
from simulations.instruments.block_file import read_block
from simulations.machine import formats
from simulations.models.settings import read_json as read_settings
from simulations.models.texts import read_texts
from simulations.search.counterexamples import read_counterexample
from simulations.stacks.graphs import graph_by_name, mask_by_name
from simulations.sweeps.config import read_sweep
from theory.arrays import InputError

BOM = b"\xef\xbb\xbf"
READERS: dict[str, Callable[[Path], Any]] = {
    "texts.txt": read_texts,
    "graph.csv": graph_by_name,
    "graph.gml": graph_by_name,
    "sweep.toml": read_sweep,
    "config.json": read_settings,
    "instance.json": read_counterexample,
    "runs.json": read_runs,
    "mask.npy": lambda path: mask_by_name(str(path), 4),
    "graph.npy": graph_by_name,
    "block.npz": read_block,
}


@pytest.mark.once
@pytest.mark.parametrize("name", READERS)
def test_an_endless_file_is_refused_and_none_takes_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.symlink_to("/dev/zero")
    whole = formats.read_bytes
    monkeypatch.setattr(
        formats, "read_bytes", lambda path, *, name, most=0: whole(path, name=name, most=10**6)
    )
    for module in ("simulations.stacks.graph_files",):
        monkeypatch.setattr(f"{module}.read_bytes", formats.read_bytes)
    monkeypatch.setattr(formats, "LARGEST_ARRAYS", 10**6)
    with pytest.raises(InputError) as caught:
        READERS[name](path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["sweep.toml", "config.json", "graph.csv"])
def test_a_file_with_more_bytes_than_its_limit_is_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(2**31)  # sparse: it takes no room
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"at most [\d,]+ bytes, but has 2,147,483,648"):
            READERS[name](path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_mark_of_the_byte_order_is_no_part_of_any_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(BOM + b'{"a": 1}')
    assert formats.read_json(path, name="it") == {"a": 1}
    path.write_bytes(BOM + b"a = 1\r\n")
    assert formats.read_toml(path, name="it") == ("a = 1\n", {"a": 1})
    path.write_bytes(BOM + b"0,1,1\r\n1,0,1\r\n1,1,0\r\n")
    assert graph_by_name(path).sum() == 6
    path.write_bytes(BOM + b"a text\n")
    assert read_texts(path) == ("a text",)


def test_a_member_that_is_not_wanted_is_refused_by_its_name_before_it_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "block.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("extra.npy", "w") as m:
        for _ in range(64):
            m.write(bytes(2**20))
    _refused_without_memory(path, "extra is not an array that a block has")


def test_arrays_that_are_too_large_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "block.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w") as m:
        for _ in range(64):
            m.write(bytes(2**20))
    with pytest.raises(InputError, match=r"at most 1,000 bytes, but has 67,108,864"):
        formats.read_arrays(path, name="it", most=1000)


def _refused_without_memory(path: Path, words: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=words):
            read_block(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_header_that_speaks_of_more_than_is_there_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**14, 2**14)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(b"0" * 64)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="is it truncated"):
            formats.read_array(path, name="it")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">i4"),
        np.empty((0, 3)),
        np.asarray(2.5),
        np.asarray("relu"),
        np.ones((2, 2), dtype=np.bool_),
    ],
)
def test_arrays_come_back_as_numpy_reads_them(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", one=array, two=array)
    wanted = np.load(tmp_path / "a.npy")
    found = formats.read_array(tmp_path / "a.npy", name="it")
    several = formats.read_arrays(tmp_path / "a.npz", name="it")
    assert list(several) == ["one", "two"]
    for each in (found, *several.values()):
        np.testing.assert_array_equal(each, wanted)
        assert each.dtype == wanted.dtype.newbyteorder("=")
        assert each.flags.writeable


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, one=np.ones(2))
    read, write = os.pipe()
    try:
        os.write(write, buffer.getvalue())
        os.close(write)
        found = formats.read_arrays(Path(f"/dev/fd/{read}"), name="it")
    finally:
        os.close(read)
    np.testing.assert_array_equal(found["one"], np.ones(2))


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", b"")
        file.writestr("a.npy", b"")
    with pytest.raises(formats.FormatError, match="two arrays of one name"):
        formats.read_arrays(path, name="it")
