"""Which questions does the fuzz test ask? Each has a file that is nearly one that is meant."""

import hashlib
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from tests.helpers.commands import arrays
from tests.test_package.fuzz.damage import (
    NUMBERS,
    WORDS,
    archive,
    array_bytes,
    damaged,
    lying_header,
    spoilt,
    strange,
)

Question = Callable[[Path, random.Random], list[str]]
_SIZES = ["--width", "4", "--heads", "2", "--ffn-width", "4"]


def block(folder: Path, rng: random.Random) -> list[str]:
    """Ask check about a block, some arrays of which are strange."""
    found: dict[str, Any] = dict(arrays())
    some: dict[str, Any] = {
        "adjacency": np.full((2, 6, 6), 1 / 6),
        "mask": np.tri(6, dtype=bool),
        "ln_eps": 1e-5,
        "tau_1": rng.choice((1.0, 1e308, 1e-308, 0.0)),
        "residual": 0.5,
        "activation": rng.choice(WORDS[:6]),
        "placement": rng.choice(WORDS[:6]),
        "gain_1": np.ones(8),
        "ffn_in_bias": np.ones(12),
        "x": np.ones(3),
    }
    for name in rng.sample(list(some), rng.choice((0, 0, 1, 2))):
        found[name] = some[name]
    if "adjacency" in found and rng.random() < 0.8:
        found = {name: value for name, value in found.items() if name not in ("query", "key")}
    for name in rng.sample(list(found), rng.choice((0, 1, 1, 2, 3))):
        found[name] = strange(np.asarray(found[name]), rng)
    for name in rng.sample(list(found), rng.choice((0, 0, 0, 1))):
        del found[name]
    members = {name: array_bytes(np.asarray(value)) for name, value in found.items()}
    numbers = [name for name, value in found.items() if np.asarray(value).dtype.kind in "biuf"]
    if rng.random() < 0.15 and numbers:
        name = rng.choice(numbers)
        members[name] = lying_header(np.asarray(found[name], dtype=float), rng)
    content = archive(members, rng)
    path = folder / rng.choice(("block.npz", "block.npz", "block.npy", "ein bühne.npz"))
    path.write_bytes(damaged(content, rng) if rng.random() < 0.3 else content)
    return ["check", str(path), *rng.choice(([], ["--json"], ["--dtype", "float32"]))]


def model(folder: Path, rng: random.Random) -> list[str]:
    """Ask analyze or law about a folder with a small model, one file of which is spoilt."""
    from tests.test_simulations.helpers.tiny_folder import TENSORS, write_folder

    tensors = dict(TENSORS)
    if rng.random() < 0.3:
        name = rng.choice(list(tensors))
        value = strange(tensors.pop(name), rng)
        if value.dtype.kind in "fi" and value.dtype.byteorder != ">":
            tensors[rng.choice((name, name, "module." + name))] = np.ascontiguousarray(value)
    write_folder(folder, tensors)
    for _ in range(rng.choice((0, 1, 1, 2))):
        path = rng.choice(sorted(folder.glob("*.json")))
        content = spoilt(json.loads(path.read_text(encoding="utf-8")), rng)
        path.write_text(json.dumps(content), encoding="utf-8")
    if rng.random() < 0.3:
        path = rng.choice(sorted(folder.iterdir()))
        path.write_bytes(damaged(path.read_bytes(), rng))
    if rng.random() < 0.1:
        path = rng.choice(sorted(folder.iterdir()))
        path.unlink()
        rng.choice((lambda: None, path.mkdir, lambda: path.symlink_to("nowhere")))()
    text = folder / "texts"
    texts = b"a graph of tokens fades\n\nslowly\n"
    text.write_bytes(damaged(texts, rng) if rng.random() < 0.3 else texts)
    return rng.choice(
        (
            ["analyze", str(folder), "--text", str(text)],
            ["analyze", str(folder), "--json"],
            ["law", "--model", str(folder), "--text", str(text)],
        )
    )


def sweep(folder: Path, rng: random.Random) -> list[str]:
    """Ask sweep about a file with strange keys and values; small ones are run."""
    values = [*NUMBERS, *WORDS[1:9], "full", "causal", "window:1", "blocks:1,3", "m.npy", True]
    stack: dict[str, Any] = {"tokens": 4, "width": 4, "heads": 1, "ffn_width": 4, "depth": 2}
    content: dict[str, Any] = {
        "name": "fuzz",
        "stack": stack,
        "quantities": ["distance"],
        "seeds": {"count": 2},
        "axes": {"tau": [0.5, 1.0], "mask": ["full", "causal"]},
        "run": {"cells_per_task": 2},
    }
    fields = ("depth", "norm", "activation", "placement", "rank", "weights", "residual", "heads")
    if rng.random() < 0.4:
        content["axes"][rng.choice(fields)] = rng.sample(values, 2)
    if rng.random() < 0.3:
        ways = ("linspace", "logspace", "values")
        ends = [rng.choice(NUMBERS), rng.choice(NUMBERS), rng.choice((0, 1, 3, 10**6, -1))]
        content["axes"][rng.choice(fields)] = {rng.choice(ways): ends}
    if rng.random() < 0.2:
        content["zipped"] = [{"value_gain": [1.0, 2.0], rng.choice(fields): [1, 2, 3][:2]}]
    if rng.random() < 0.2:
        axis = {"low": rng.choice(NUMBERS), "high": rng.choice(NUMBERS)}
        content["sobol"] = {"points": rng.choice((1, 3, 10**7)), "axes": {"residual": axis}}
    for _ in range(rng.choice((0, 1, 1, 2))):
        content = spoilt(content, rng) or {}
    whole: Any = content  # what is spoilt may be no table any more
    text = _toml(whole if isinstance(whole, dict) else {"x": whole})
    raw = text.encode("utf-8", "surrogatepass")
    path = folder / "sweep.toml"
    path.write_bytes(damaged(raw, rng) if rng.random() < 0.3 else raw)
    how = rng.choice((["--dry-run"], ["--workers", "0"], ["--workers", "0", "--json"]))
    return ["sweep", str(path), "--store", str(folder / "store"), *how]


def _toml(content: dict[str, Any]) -> str:
    """Write TOML on one level of tables; what it has no words for is written as JSON has it."""
    lines = []
    tables = {name: value for name, value in content.items() if isinstance(value, dict) and value}
    for name, value in content.items():
        if name not in tables:
            lines.append(f"{json.dumps(name)} = {_value(value)}")
    for name, table in tables.items():
        lines.append(f"[{json.dumps(name)}]")
        lines += [f"{json.dumps(key)} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def stored(folder: Path, rng: random.Random) -> list[str]:
    """Ask replay about an instance that somebody changed."""
    content: Any = rng.choice(_instances())
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        content = spoilt(content, rng)
    if isinstance(content, dict) and rng.random() < 0.8:  # as somebody who knows the format
        content.pop("sha256", None)
        content["sha256"] = _digest(content)
    raw = json.dumps(content).encode()
    path = folder / "found.json"
    path.write_bytes(damaged(raw, rng) if rng.random() < 0.3 else raw)
    return ["replay", str(path), *rng.choice(([], ["--json"]))]


_KEYS = ("linear", "activation-gelu-constant-one", "fusion-concat", "fusion-max")


@cache
def _instances() -> list[Any]:
    from simulations.search.adversary import attack
    from simulations.search.counterexamples import write_counterexample

    found = []
    for key in _KEYS:
        example = attack(key, budget=100, seed=0).example
        if example is not None:
            with TemporaryDirectory() as folder:
                path = write_counterexample(example, Path(folder) / "found.json")
                found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def graph(folder: Path, rng: random.Random) -> list[str]:
    """Ask law about a graph in a file of some format."""
    n = rng.choice((1, 2, 3, 5))
    weights = (
        np.random.default_rng(rng.randrange(10**6)).random((n, n)).round(rng.choice((0, 1, 3)))
    )
    drawn = nx.gnp_random_graph(n, 0.6, seed=rng.randrange(10**6), directed=rng.random() < 0.5)
    suffix, raw = rng.choice(_FORMATS)(weights, drawn, rng)
    path = folder / f"graph{suffix}"
    path.write_bytes(damaged(raw, rng) if rng.random() < 0.4 else raw)
    option = rng.choice(("--graph", "--graph", "--adjacency"))
    loops = rng.choice(([], [], ["--self-loops"], ["--no-self-loops"], ["--directed"]))
    form = rng.choice(([], [], [], ["--format", rng.choice(("edges", "adjacency", "gml", "npy"))]))
    return ["law", option, str(path), "--depth", "2", "--layers", "8", *_SIZES, *loops, *form]


def _matrix_text(w: NDArray[Any], _: Any, rng: random.Random) -> tuple[str, bytes]:
    mark = rng.choice((" ", ",", ", ", "\t", ";"))
    rows = [mark.join(str(rng.choice((x, int(x), x))) for x in row) for row in w]
    if rng.random() < 0.3:
        rows[rng.randrange(len(rows))] += rng.choice((mark, mark + "nan", " # x", mark + "1e999"))
    return rng.choice((".txt", ".csv", "", ".adjacency")), "\n".join(rows).encode()


def _edges_text(_: Any, drawn: "nx.Graph[int]", rng: random.Random) -> tuple[str, bytes]:
    lines = [f"{a} {b} {rng.choice(('', '1', '0.5', '{}', '-1', 'x'))}" for a, b in drawn.edges]
    return rng.choice((".txt", ".edges", ".csv")), "\n".join(lines).encode()


_FORMATS: tuple[Callable[..., tuple[str, bytes]], ...] = (
    _matrix_text,
    _edges_text,
    lambda _, drawn, rng: (".graphml", "\n".join(nx.generate_graphml(drawn)).encode()),
    lambda _, drawn, rng: (".gml", "\n".join(nx.generate_gml(drawn)).encode()),
    lambda w, _, rng: (".npy", array_bytes(strange(w, rng) if rng.random() < 0.6 else w)),
    lambda w, _, rng: (".npy", lying_header(w, rng)),
)


def mask(folder: Path, rng: random.Random) -> list[str]:
    """Ask simulate about a mask in a file, or one with a strange name."""
    n = rng.choice((2, 3, 5))
    path = folder / rng.choice(("mask.npy", "MASK.NPY", "mask.txt"))
    found = np.tri(n, dtype=bool) if rng.random() < 0.5 else np.eye(n, dtype=bool)
    raw = array_bytes(strange(found, rng) if rng.random() < 0.5 else found)
    if rng.random() < 0.2:
        raw = lying_header(found, rng)
    path.write_bytes(damaged(raw, rng) if rng.random() < 0.4 else raw)
    names = ("window:", "window:-1", "blocks:1,x", "blocks:,", "ring:2", ".", "/", "\n", "a" * 300)
    name = str(path) if rng.random() < 0.8 else rng.choice(names)
    return ["simulate", "--mask", name, "--tokens", str(n), "--depth", "1", *_SIZES]


def words(_: Path, rng: random.Random) -> list[str]:
    """Ask simulate or law with strange values behind their options."""
    names: tuple[str, ...] = (
        "tokens",
        "depth",
        "width",
        "heads",
        "ffn-width",
        "rank",
        "tau",
        "fixed-std",
        "seed",
    )
    names += ("ln-eps", "residual", "value-gain", "score-gain", "norm", "placement", "initial")
    values = (
        *map(str, NUMBERS[:-3]),
        str(10**20),
        *WORDS[:7],
        "9" * 5000,
        "-inf",
        "rms",
        "low-rank",
    )
    command = rng.choice((["simulate"], ["law", "--layers", "8"]))
    small = {"depth": "2", "width": "4", "heads": "2", "ffn-width": "4", "tokens": "4"}
    for name in rng.sample(names, rng.choice((1, 1, 2))):
        small[name] = rng.choice(values)
    return [
        *command,
        *(f"--{name}={value}" for name, value in small.items() if "\ud800" not in value),
    ]


QUESTIONS: dict[str, Question] = {
    "block": block,
    "model": model,
    "sweep": sweep,
    "stored": stored,
    "graph": graph,
    "mask": mask,
    "words": words,
}
