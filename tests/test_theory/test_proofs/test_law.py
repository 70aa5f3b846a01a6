"""The proved law: it holds what floats say, and a proof of anything else is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint")

from theory.arrays import InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.graphs.chains import spectrum
from theory.law.orbits import Matrix
from theory.law.transverse import mask_walk, transverse_rates
from theory.proofs.certificates import as_bytes
from theory.proofs.check import check
from theory.proofs.checkers.programs import ACTIVATIONS
from theory.proofs.law import LawProof, prove_law

pytestmark = pytest.mark.once

GRAPHS = ("full", "causal", "ring", "arcs", "window")
STORED = Path(__file__).parents[3] / "theory" / "proofs" / "stored"
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"norm": "rms", "activation": "silu", "gated": True},
    {"placement": "sandwich", "activation": "tanh", "residual": 0.5},
    {"placement": "pre", "activation": "gelu_tanh", "residual": 0.5},
    {"activation": "relu", "eps": 1e-5},
    {"placement": "parallel", "activation": "quick_gelu", "residual": 0.4},
    {"norm": "none", "residual": 0.3},
    {"fixed_std": 1.5, "tau": 2.0},
)


def graph(name: str, n: int) -> Matrix:
    ring = np.eye(n, dtype=bool) | np.roll(np.eye(n, dtype=bool), 1, axis=1)
    masks: dict[str, Matrix] = {
        "full": np.ones((n, n), dtype=bool),
        "causal": np.tril(np.ones((n, n), dtype=bool)),
        "ring": ring | ring.T,
        "arcs": ring,  # complex eigenvalues
        "window": np.tril(np.ones((n, n), dtype=bool)) & ~np.tril(np.ones((n, n), dtype=bool), -2),
    }
    return masks[name]


def block(
    seed: int,
    d: int,
    *,
    norm: Any = "layer",
    activation: str = "gelu",
    gated: bool = False,
    placement: Any = "post",
    residual: float = 1.0,
    gain: float = 0.5,
    **std: Any,
) -> tuple[Block, Matrix]:
    """Draw a block with all that a block can have: nothing in it is zero."""
    rng = np.random.default_rng([seed, d])

    def drawn(*shape: int) -> Matrix:
        scale: float = gain / np.sqrt(shape[-2] if len(shape) > 1 else 1)
        return scale * rng.standard_normal(shape)

    half, hidden = max(1, d // 2), 2 * d
    query, key, value = (drawn(2, d, half) for _ in range(3))
    gate = (drawn(d, hidden), drawn(hidden)) if gated else (None, None)
    ffn = FeedForward(
        drawn(d, hidden), drawn(hidden, d), drawn(hidden), drawn(d), activation, *gate
    )
    norms = [Norm(norm, 1 + 0.2 * drawn(d), drawn(d), **std) for _ in range(4)]
    attention = Attention(
        *(query, key, value),
        *(drawn(2, half, d), drawn(2, half), drawn(2, half), drawn(d)),
    )
    first, second, first_out, second_out = norms
    made = Block(attention, ffn, first, second, placement, residual, first_out, second_out)
    return made, rng.normal(size=d)


def holds(found: LawProof, made: Block, mask: Matrix, token: Matrix) -> bool:
    """Whether the bounds hold what floats say, and hardly more."""
    law = transverse_rates(made, mask, token)
    assert found.transverse is not None
    assert found.along is not None
    (low, high), (least, most) = found.transverse, found.along
    slack = law.error + 1e-13
    return (
        high - low < 1e-8
        and low - slack <= law.rate <= high + slack
        and least - 1e-9 <= law.along <= most + 1e-9
    )


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_bounds_hold_the_float_law(kind: int) -> None:
    mask = graph(GRAPHS[kind % 5], 4)
    made, token = block(kind, 4, **KINDS[kind])
    found = prove_law(made, mask, token)
    assert holds(found, made, mask, token), found
    assert found.certificate is not None
    check(as_bytes(found.certificate))
    # The walk's eigenvalues, with their multiplicities, are those that floats find.
    mine = sorted((mu.real, abs(mu.imag)) for mode in found.modes for mu in [mode.mu] * mode.times)
    assert len(mine) + sum(mode.times for mode in found.modes if mode.mu.imag) == 4
    theirs = spectrum(mask_walk(mask))
    assert all(np.abs(theirs - complex(*mu)).min() < 1e-4 for mu in mine)  # Jordan blocks: eps^1/n


@pytest.mark.slow
def test_bounds_hold_the_float_law_of_a_hundred_blocks() -> None:
    verdicts: list[str] = []
    for seed in range(104):
        rng = np.random.default_rng(seed)
        mask = graph(GRAPHS[seed % 5], int(rng.integers(3, 8)))
        gain = float(rng.uniform(0.2, 0.9))
        made, token = block(seed, int(rng.integers(3, 9)), **KINDS[seed % 8], gain=gain)
        found = prove_law(made, mask, token)
        verdicts.append(found.verdict)
        assert found.transverse is None or holds(found, made, mask, token), (seed, found)
    assert verdicts.count("undecided") <= 10
    assert verdicts.count("attracts") >= 80


def test_a_wrong_activation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the checker took another GELU, the bounds would not hold what floats say."""
    made, token = block(0, 4)
    monkeypatch.setitem(ACTIVATIONS, "gelu", ACTIVATIONS["quick_gelu"])
    found = prove_law(made, graph("full", 3), token)
    assert found.transverse is None or not holds(found, made, graph("full", 3), token)


def test_a_network_that_repels_is_proved_to() -> None:
    rng = np.random.default_rng(0)
    d, f = 32, 128
    value = -0.3 * np.eye(d) + 0.09 * rng.normal(size=(d, d)) / d**0.5
    w_in = 0.3 * rng.normal(size=(d, f)) / d**0.5
    w_out = 0.3 * rng.normal(size=(f, d)) / f**0.5
    bias = 0.3 * rng.normal(size=(2, d))
    attention = Attention(None, None, value[None], bias=bias[0])
    made = Block(attention, FeedForward(w_in, w_out, bias_out=bias[1], activation="gelu"))
    found = prove_law(made, graph("full", 4), rng.normal(size=d))
    assert found.verdict == "repels", found
    assert found.stable
    assert found.certificate is not None
    assert "above 1" in check(as_bytes(found.certificate))


def test_a_cycle_is_enclosed() -> None:
    # x + A x V turns a token around, and its largest part wins: a cycle of two layers.
    value = np.diag([-4.0, -2.5, -2.0, -1.5])
    made = Block(Attention(None, None, value[None], bias=0.01 * np.arange(4.0)))
    token = np.asarray([1.0, -0.5, 0.3, -0.8])
    found = prove_law(made, graph("full", 3), token)
    assert found.period == 2
    assert holds(found, made, graph("full", 3), token)


def test_differences_between_components_count_as_transverse() -> None:
    mask = np.kron(np.eye(2, dtype=bool), np.ones((2, 2), dtype=bool))
    found = prove_law(*_with_mask(mask))
    assert found.transverse is not None
    assert found.along is not None
    assert [mode.times for mode in found.modes] == [2, 2]
    assert found.transverse[1] >= found.along[1]


def _with_mask(mask: Matrix) -> tuple[Block, Matrix, Matrix]:
    made, token = block(0, 4)
    return made, mask, token


def test_questions_without_an_answer_are_refused() -> None:
    plain = Block(Attention(None, None, np.eye(3)[None]), norm_1=Norm("none"))
    with pytest.raises(InputError, match="must have a scale"):
        prove_law(plain, graph("full", 2), np.ones(3))
    made, token = block(0, 3)
    for wrong in (np.ones((2, 3)), np.zeros((2, 2)), -np.ones((2, 2)), np.ones((1, 1))):
        with pytest.raises(InputError, match="graph must"):
            prove_law(made, wrong, token)


@pytest.mark.parametrize("path", sorted(STORED.glob("law-*.json")), ids=lambda path: path.stem)
def test_stored_certificates_prove_what_they_are_called(path: Path) -> None:
    words = {"attracts": "below 1, what", "repels": "above 1, what", "cycle": "cycle of 2"}
    said = check(path.read_bytes())
    assert words.get(path.stem.split("-")[1], "end in consensus") in said
    assert path.stat().st_size < 20_000


def test_weights_of_a_graph_are_divided_by_their_sum() -> None:
    made, token = block(0, 3)
    weights = np.asarray([[0.5, 0.25], [3e-9, 7.0]])
    found, walk = prove_law(made, weights, token), weights / weights.sum(axis=1, keepdims=True)
    assert holds(found, made, walk, token)
