"""Is a graph read alike from every format, and refused where nobody can tell what it says?"""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from simulations.stacks.graphs import graph_by_name, read_graph
from theory.arrays import InputError

RING = nx.cycle_graph(7)
WEIGHTED: Any = nx.DiGraph()
WEIGHTED.add_weighted_edges_from([("b", "a", 2.0), ("a", "c", 3.0), ("c", "b", 0.5), ("a", "a", 1)])


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


def _write_csv(graph: Any, path: Path) -> None:
    np.savetxt(path, nx.to_numpy_array(graph), delimiter=",")


def _write_npy(graph: Any, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, nx.to_numpy_array(graph))


def _write_pandas(graph: Any, path: Path) -> None:
    lines = ["source,target", *(f"{u},{v}" for u, v in graph.edges)]
    path.write_text("\r\n".join(lines), encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("ring.edgelist", nx.write_edgelist),
        ("ring.txt", nx.write_edgelist),
        ("ring.txt", lambda graph, path: nx.write_edgelist(graph, path, data=False)),
        ("ring.csv", lambda graph, path: nx.write_edgelist(graph, path, delimiter=",", data=False)),
        ("ring.csv", _write_pandas),
        ("RING.GraphML", nx.write_graphml),
        ("ring.gml", nx.write_gml),
        ("ring.csv", _write_csv),
        ("RING.NPY", _write_npy),
    ],
)
def test_one_graph_is_read_alike_from_every_format(tmp_path: Path, name: str, write: Any) -> None:
    path = tmp_path / name
    write(RING, path)
    wanted = nx.to_numpy_array(RING) == 1
    for source in (path, str(path), RING):
        np.testing.assert_array_equal(graph_by_name(source), wanted)
    looped = graph_by_name(path, self_loops=True)
    np.testing.assert_array_equal(looped, graph_by_name("ring", 7))
    np.testing.assert_array_equal(graph_by_name("ring", 7, self_loops=False), wanted)
    told = read_graph(path).told
    assert "7 nodes, 7 edges between two, undirected, not weighted, 1 component;" in told
    assert "0 of 7 nodes had self-loops (kept as they are)" in told
    assert "divided" not in told


@pytest.mark.parametrize(
    ("name", "write", "options"),
    [
        ("w.graphml", nx.write_graphml, {}),
        ("w.gml", nx.write_gml, {}),
        ("w.txt", nx.write_weighted_edgelist, {"directed": True}),
        ("w.txt", nx.write_edgelist, {"directed": True}),
        ("w", None, {}),
    ],
)
def test_weights_and_directions_are_read_and_it_is_said(
    tmp_path: Path, name: str, write: Any, options: dict[str, Any]
) -> None:
    source: Any = WEIGHTED
    if write is not None:
        source = tmp_path / name
        write(WEIGHTED, source)
    found = read_graph(source, **options)
    order = [found.nodes.index(node) for node in "bac"]
    wanted = np.array([[0.0, 1, 0], [0, 0.25, 0.75], [1, 0, 0]])
    np.testing.assert_array_equal(found.adjacency[np.ix_(order, order)], wanted)
    for words in (
        "3 nodes, 3 edges between two, directed, weighted",
        "1 of 3 nodes had",
        "divided",
    ):
        assert words in found.told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 1\n1 2\n", "a matrix of 2 tokens or a list of 2 edges"),
        ("0 1\n1 0\n", "--format adjacency or --format edges"),
        ("0 1 2.5\n1 2 3\n2 0 1\n", "a matrix of 3 tokens or a list of 3 edges"),
        ("1 a\n0 1\n", "a matrix of 2 tokens or a list"),
        (",a,b\na,0,1\nb,1,0\n", "line 1 has an empty cell"),
        ("0,,1\n1,0,1\n1,1,0\n", "line 1 has an empty cell"),
        ("0\t\t1\n1\t0\t1\n1\t1\t0\n", "line 1 has an empty cell"),
        ("0 1\n1 2\n2 3 4 5\n", "neither a matrix nor a list of edges"),
        ("0 1 {'weight': -1}\n", "finite and not negative"),
        ("0 1 {'weight': \n", "dictionary"),
        ("0 1 {}\n2 3 4\n1 {}\n", "line 3"),
    ],
)
def test_a_text_that_could_be_two_things_or_none_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "graph.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        graph_by_name(path)


def test_a_format_settles_what_a_text_is(tmp_path: Path) -> None:
    path = tmp_path / "graph.txt"
    path.write_text("0 1\n1 2\n", encoding="utf-8")
    edges = graph_by_name(path, format="edges")
    np.testing.assert_array_equal(edges, nx.to_numpy_array(nx.path_graph(3)) == 1)
    matrix = graph_by_name(path, format="adjacency")
    np.testing.assert_allclose(matrix, np.array([[0, 1], [1 / 3, 2 / 3]]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", b"\x93NUMPY\x01\x00\x05\x00((((\n"),
        ("a.npy", b"\x93NUMPY"),
        ("a.npy", b""),
        ("A.NPY", b"0 1 1\n1 0 1\n1 1 0\n"),
        ("a.graphml", b"<graphml><graph>"),
        ("a.graphml", b"<a/>"),
        ("a.gml", b"graph ["),
        ("a.txt", b"\xff\xfe\x00"),
        ("a.edges", b""),
    ],
)
def test_a_broken_graph_file_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"graph file '.*' cannot be read: .") as caught:
        graph_by_name(path)
    assert "\n" not in str(caught.value)


def test_a_node_that_hears_nobody_is_named_with_the_way_out() -> None:
    graph = nx.Graph([("x", "y")])
    graph.add_node("alone")
    with pytest.raises(InputError, match=r"token 2 \(node 'alone'\).*--self-loops"):
        graph_by_name(graph)
    assert graph_by_name(graph, self_loops=True)[2, 2]


def test_options_that_would_be_ignored_are_refused(tmp_path: Path) -> None:
    nx.write_gml(RING, tmp_path / "ring.gml")
    with pytest.raises(InputError, match="says itself"):
        graph_by_name(tmp_path / "ring.gml", directed=True)
    with pytest.raises(InputError, match="must come with a file"):
        graph_by_name("ring", 7, format="edges")
    with pytest.raises(InputError, match="are for files"):
        graph_by_name(RING, directed=True)
    with pytest.raises(InputError, match="n = 6 tokens, but has 7"):
        graph_by_name(RING, 6)
    with pytest.raises(InputError, match="n must be given"):
        graph_by_name("ring")
