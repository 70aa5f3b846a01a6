"""The peers compute what the engine computes, so that only time and accuracy differ."""

from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.peers import Jax, Peer, Torch, Work
from benchmarks.rows import TINY
from benchmarks.side_by_side import NAMES, accuracy_rows, peer_rows, stack_of
from simulations.engine.draws import Draws
from simulations.engine.surveys import grid, survey
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_tokens

WORK = Work(depth=3, tokens=9, width=12, heads=3, ffn_width=24, gains=(0.7, 1.5))
SEEDS = range(2, 5)


@pytest.mark.parametrize("kind", [Torch, Jax])
def test_a_peer_reads_what_the_engine_reads_on_the_same_draws(kind: type[Peer]) -> None:
    pytest.importorskip(kind.__name__.lower())
    made, on = stack_of(WORK), backend(dtype="float32")
    found = survey(grid(made, value_gain=WORK.gains), seeds=SEEDS, on=on)
    draws, every = Draws(made, seeds=SEEDS, on=on), slice(0, len(SEEDS))
    layers = []
    for layer in range(made.depth):
        drawn = draws.part(layer, every)
        layers.append({name: getattr(drawn, own).copy() for name, own in NAMES.items()})
    tokens = np.asarray(draw_tokens(made, seeds=SEEDS), dtype="float32")
    theirs = kind(WORK).read(layers, tokens)  # type: ignore[call-arg]

    def same(name: str, ours: np.ndarray, *, close: float = 1e-3) -> None:
        np.testing.assert_allclose(theirs[name].swapaxes(1, 2), ours, rtol=close, err_msg=name)

    for name in ("cosine_similarity", "distance", "relative_distance"):
        same(name, found.tokens[name][1:])
    for name in ("sigma_1", "sigma_2"):
        same(name, found.blocks[name])
    for name, close in (("lambda", 0.011), ("s", 0.011), ("v", 0.08)):
        same(name, found.blocks["v" if name == "v" else f"{name}_upper"], close=close)


@pytest.mark.skipif(not find_spec("torch"), reason="no peer is installed")
def test_the_rows_say_what_was_compared_and_how_exact_it_was() -> None:
    rows = peer_rows(TINY) + accuracy_rows()
    assert all(row.others and {"ours", "torch"} <= row.others.keys() for row in rows)
    exact = {row.key: row for row in rows if row.key.startswith("accuracy")}
    assert exact.keys() == {"accuracy-lambda", "accuracy-s", "accuracy-distance"}
    assert exact["accuracy-lambda"].figure <= 0.011, "the tolerance that was asked for"
    near = exact["accuracy-distance"]
    assert near.others is not None
    assert near.figure < 1e-4 < max(near.others.values()), "where a mean in float32 has lost it"
