"""A proved basin: all that starts in it ends in consensus, and a larger claim is refused."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint")

from tests.test_theory.test_proofs.test_law import block, graph
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block
from theory.proofs.basin import Basin, prove_basin
from theory.proofs.certificates import as_bytes, seal
from theory.proofs.check import check

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def found() -> tuple[Block, Basin]:
    made, token = block(1, 4, gain=0.4)
    return made, prove_basin(made, graph("causal", 3), token)


def test_a_thousand_starts_on_the_edge_end_in_consensus(found: tuple[Block, Basin]) -> None:
    made, basin = found
    assert basin.radius > 1e-4
    assert basin.point is not None
    rng = np.random.default_rng(0)
    away = rng.normal(size=(1000, 3, 4))
    away *= basin.radius / np.linalg.norm(away, axis=(1, 2), keepdims=True)
    tokens, mask = basin.point + away, graph("causal", 3)
    for _ in range(100):
        tokens = apply_block(made, tokens, mask=mask).output
    assert np.abs(tokens - tokens[:, :1]).max() < 1e-12
    assert np.abs(tokens - basin.point).max() < 1e-12


@pytest.mark.parametrize(
    "kind",
    [
        {"norm": "rms", "gated": True, "activation": "silu"},
        {"placement": "sandwich", "residual": 0.3, "activation": "tanh"},
        {"placement": "parallel", "residual": 0.2, "norm": "rms", "activation": "relu"},
        {"fixed_std": 2.0, "tau": 1.5},
    ],
)
def test_every_kind_of_block_has_a_basin(kind: dict[str, Any]) -> None:
    made, token = block(2, 3, gain=0.25, **kind)
    basin = prove_basin(made, graph("full", 2), token)
    assert basin.radius > 1e-6, basin
    assert basin.certificate is not None
    check(as_bytes(basin.certificate))


def test_the_slope_changes_by_less_than_is_said(found: tuple[Block, Basin]) -> None:
    """The bound of the checker against slopes by finite differences, at random places."""
    from flint import ctx

    from theory.proofs.checkers.basin_changes import layer, norm2
    from theory.proofs.checkers.law_basin import read_walk
    from theory.proofs.checkers.programs import BITS, exact

    made, basin = found
    assert basin.certificate is not None
    claim, mask = basin.certificate["claim"], graph("causal", 3)
    reach = 0.05
    with ctx.workprec(BITS):
        walk = norm2(read_walk(claim["graph"]))
        centre = exact(claim["centre"], None)
        within = exact([1, -1]) / 10
        bound = float(layer(claim["layer"], centre, within, 3, walk).change)
    rng = np.random.default_rng(1)
    assert basin.point is not None
    start = np.broadcast_to(basin.point, (3, 4))
    for _ in range(20):
        away = rng.normal(size=(3, 4))
        place = start + away * reach / np.linalg.norm(away)
        change = np.linalg.norm(_slope(made, place, mask) - _slope(made, start, mask), ord=2)
        assert 0 < change <= bound
    assert bound < 1e3 * change


def _slope(made: Block, tokens: Any, mask: Any) -> Any:
    steps = 1e-5 * np.eye(tokens.size).reshape(-1, *tokens.shape)
    ends = [apply_block(made, tokens + sign * steps, mask=mask).output for sign in (1, -1)]
    return ((ends[0] - ends[1]) / 2e-5).reshape(tokens.size, -1)


def test_a_larger_claim_is_refused(found: tuple[Block, Basin]) -> None:
    certificate = found[1].certificate
    assert certificate is not None
    check(as_bytes(certificate))
    claim, proof = certificate["claim"], certificate["proof"]
    (mantissa, exponent), reach = claim["radius"], proof["reach"]
    centre = [[v + 2**50 for v in claim["centre"][0]], claim["centre"][1]]
    size = len(proof["norm"][0])
    steep = [[[10**i * (i == j) for j in range(size)] for i in range(size)], 0]
    wrong = [
        ({**claim, "radius": [mantissa + mantissa // 100, exponent]}, proof),
        ({**claim, "radius": [-mantissa, exponent]}, proof),
        ({**claim, "centre": centre}, proof),
        ({**claim, "graph": [[2, 0, 0], [1, 1, 0], [1, 1, 1]]}, proof),
        ({**claim, "graph": [[0, 0, 0], [1, 1, 0], [1, 1, 1]]}, proof),
        ({**claim, "layer": claim["layer"][:-1]}, proof),
        (claim, {**proof, "reach": [reach[0], reach[1] + 1]}),
        (claim, {**proof, "reach": [reach[0], reach[1] - 1]}),
        (claim, {**proof, "norm": steep}),
        (claim, {**proof, "norm": [[[0] * size] * size, 0]}),
        (claim, {**proof, "more": 1}),
    ]
    for parts in wrong:
        with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
            check(as_bytes(seal("law-basin", *parts)))
    with pytest.raises(ValueError, match="damaged"):
        check(as_bytes({**certificate, "claim": {**claim, "radius": [1, -30]}}))


def test_where_consensus_repels_there_is_no_basin() -> None:
    value = np.diag([-0.9, -0.5, -0.4])
    made = Block(
        Attention(*(np.eye(3)[None],) * 2, value[None], bias=np.asarray([0.3, 0.1, -0.2])),
        norm_1=Norm("rms"),
    )
    basin = prove_basin(made, graph("full", 2), np.asarray([1.0, 0.2, 0.1]))
    assert basin.radius == 0
    assert basin.certificate is None
    assert "grows by" in basin.reason


def test_a_basin_needs_scores_and_a_size() -> None:
    made, token = block(1, 4)
    bare = Block(Attention(None, None, np.eye(4)[None], bias=np.ones(4)))
    with pytest.raises(InputError, match="queries and keys"):
        prove_basin(bare, graph("full", 2), token)
    with pytest.raises(InputError, match="a basin needs"):
        prove_basin(made, graph("full", 65), token)
