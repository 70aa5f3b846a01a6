"""Masks and graphs: each means what it says, and what means none is refused with what it said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.stacks.graphs import GRAPHS, graph_by_name, mask_by_name
from theory.arrays import InputError


def test_a_mask_has_a_name() -> None:
    places = np.arange(6)
    back = places[:, None] - places
    np.testing.assert_array_equal(mask_by_name("full", 6), np.ones((6, 6), dtype=bool))
    np.testing.assert_array_equal(mask_by_name("causal", 6), back >= 0)
    np.testing.assert_array_equal(mask_by_name("window:2", 6), np.abs(back) <= 2)
    np.testing.assert_array_equal(mask_by_name("causal-window:1", 6), (back >= 0) & (back <= 1))
    same = np.asarray([0, 0, 1, 2, 2, 2])
    np.testing.assert_array_equal(mask_by_name("blocks:2,1,3", 6), same[:, None] == same)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "mask must be full, causal.* but is ''"),
        ("Causal", "mask must be full, causal.* but is 'Causal'"),
        ("ring", "'ring'"),
        ("window", "whole number where ''"),
        ("window:", "whole number where ''"),
        ("window:-1", "whole number where '-1'"),
        ("window:1.5", r"whole number where '1\.5'"),
        ("causal-window:x", "whole number where 'x'"),
        ("blocks:", "whole number where ''"),
        ("blocks:3,2", "blocks of 6 tokens in all, not 5"),
        ("blocks:6,0", "at least 1"),
        ("blocks:3,,3", "whole number where ''"),
        ("full:2", "'full:2'"),
    ],
)
def test_a_name_that_is_none_is_refused_with_what_it_says(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mask_by_name(name, 6)


def test_a_mask_is_read_from_a_file_as_it_was_written(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((6, 6)) < 0.5
    orders: tuple[Any, ...] = ("C", "F")
    for order in orders:
        np.save(tmp_path / "mask.npy", np.asarray(mask, order=order))
        np.testing.assert_array_equal(mask_by_name(str(tmp_path / "mask.npy"), 6), mask)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.ones((5, 5), dtype=bool), r"must hold shape \(6, 6\), but holds \(5, 5\)"),
        (np.ones(6, dtype=bool), r"must hold shape \(6, 6\), but holds \(6,\)"),
        (np.ones((6, 6)), r"'mask.npy' must be boolean, but has dtype float64"),
        (np.full((6, 6), None), r"'mask.npy' cannot be read"),
        (b"", r"'mask.npy' cannot be read"),
        (b"mask", r"'mask.npy' cannot be read"),
        (b"PK\x03\x04 an archive, broken", r"'mask.npy' cannot be read"),
        (b"\x93NUMPY\x01\x00\x05\x00((((\n", r"'mask.npy' cannot be read"),
    ],
)
def test_a_bad_mask_file_is_named(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "mask.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        mask_by_name(str(path), 6)


def test_a_mask_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'gone.npy' cannot be read"):
        mask_by_name(str(tmp_path / "gone.npy"), 6)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InputError, match=r"'folder.npy' cannot be read"):
        mask_by_name(str(tmp_path / "folder.npy"), 6)


@given(
    flips=st.lists(st.tuples(st.integers(0, 163), st.integers(1, 255)), max_size=4),
    length=st.integers(0, 164),
)
def test_a_damaged_mask_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    np.save(path, np.ones((6, 6), dtype=bool))
    content = bytearray(path.read_bytes())
    assert len(content) == 164
    for place, change in flips:
        content[place] ^= change
    path.write_bytes(bytes(content[:length]))
    try:
        mask = mask_by_name(str(path), 6)
    except InputError:
        return
    assert mask.dtype == np.bool_
    assert mask.shape == (6, 6)


@pytest.mark.parametrize("name", ["complete", "path", "ring", "ring:2", "star", "tree", "causal"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_every_token_of_a_named_graph_hears_itself(name: str, n: int) -> None:
    mask = graph_by_name(name, n)
    assert mask.shape == (n, n)
    assert mask.dtype == np.bool_
    assert mask.diagonal().all()


@pytest.mark.parametrize("name", ["small-world", "scale-free"])
def test_random_graphs_are_drawn_by_the_seed(name: str) -> None:
    one, again, other = (graph_by_name(name, 20, seed=seed) for seed in (0, 0, 1))
    assert (one == again).all()
    assert (one == one.T).all()
    assert (one != other).any()


@pytest.mark.parametrize(
    ("name", "words"),
    [("cycle", "graph must be"), ("ring:x", "whole number"), ("ring:0", "at least 1")],
)
def test_unknown_graphs_are_refused(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        graph_by_name(name, 5)
    assert name not in GRAPHS


def test_graphs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="at least 4 tokens"):
        graph_by_name("small-world", 3)
    with pytest.raises(InputError, match="n must be at least 1"):
        graph_by_name("path", 0)


def test_a_file_holds_a_mask_or_weights(tmp_path: Any) -> None:
    (tmp_path / "mask.txt").write_text("1,0,0\n1,1,0\n0 1 1\n", encoding="utf-8")
    mask = graph_by_name(tmp_path / "mask.txt")
    assert mask.dtype == np.bool_
    assert mask.sum() == 5
    np.save(tmp_path / "weights.npy", np.asarray([[1.0, 3.0], [2.0, 2.0]], dtype=np.float32))
    assert graph_by_name(tmp_path / "weights.npy") == pytest.approx(
        np.asarray([[0.25, 0.75], [0.5, 0.5]])
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "matrix of numbers or a list of edges"),
        ("1 2\n", "n, n"),
        ("1 a\n0 1\n", "cannot be read"),
        ("1 1\n0 0\n", "listen to one at least"),
        ("1 -1\n0 1\n", "negative"),
        ("nan 1\n0 1\n", "finite"),
    ],
)
def test_bad_files_are_refused(tmp_path: Any, text: str, words: str) -> None:
    path = tmp_path / "graph.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        graph_by_name(path, format="adjacency")
