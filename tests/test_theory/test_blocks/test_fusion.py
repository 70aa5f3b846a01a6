"""What fusing the layers' hidden states gives, and how bad input is refused."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.arrays import InputError, to_numpy
from theory.blocks.fusion import concat_fusion, gate_fusion, max_fusion
from theory.measures.subspace import consensus_distance
from theory.statements.evaluation import check
from theory.theorems.remedies.fusion_bounds import Fusion
from theory.theorems.remedies.fusion_gate import GATE_THEOREMS

SEEDS = st.integers(0, 2**32 - 1)


def _draw(seed: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape)


@given(seed=SEEDS)
def test_a_sum_over_the_layers_is_a_linear_map_of_the_features_side_by_side(seed: int) -> None:
    layers, matrices, bias = _draw(seed, 3, 4, 2), _draw(seed + 1, 3, 2, 5), _draw(seed + 2, 5)
    side_by_side = np.concatenate(list(layers), axis=-1) @ np.concatenate(list(matrices), axis=0)
    fused = concat_fusion(layers, matrices=matrices, bias=bias)
    np.testing.assert_allclose(fused, side_by_side + bias, atol=1e-12)


@given(seed=SEEDS)
def test_a_number_for_a_layer_is_that_multiple_of_the_identity(seed: int) -> None:
    layers, factors = _draw(seed, 3, 4, 2), _draw(seed + 1, 3)
    matrices = factors[:, None, None] * np.eye(2)
    one, other = concat_fusion(layers, factors=factors), concat_fusion(layers, matrices=matrices)
    np.testing.assert_allclose(one, other, atol=1e-13)


@given(seed=SEEDS)
def test_a_gated_token_lies_between_its_states_and_a_shut_gate_takes_one_layer(seed: int) -> None:
    layers, gate = _draw(seed, 3, 4, 2), _draw(seed + 1, 3, 2)
    fused = gate_fusion(layers, gate)
    assert (fused <= layers.max(axis=0) + 1e-12).all()
    assert (fused >= layers.min(axis=0) - 1e-12).all()
    shut = gate_fusion(layers, 0 * gate, gate_bias=np.asarray([0.0, 1e4, 0.0]))
    np.testing.assert_array_equal(shut, layers[1])


@given(seed=SEEDS)
def test_a_gate_keeps_layers_that_are_all_in_consensus_there(seed: int) -> None:
    layers = np.broadcast_to(_draw(seed, 3, 1, 2), (3, 4, 2)).copy()
    fused = gate_fusion(layers, _draw(seed + 1, 3, 2))
    assert consensus_distance(fused) <= 1e-14 * np.abs(layers).max()


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9])
def test_no_function_of_the_distances_alone_bounds_a_gate(far: float) -> None:
    """One layer has d_M = sqrt(1/2), the other zero, and the result is as far as one likes."""
    layers = np.asarray([[[1.0], [0.0]], [[far], [far]]])
    at = Fusion(layers, np.zeros((2, 1)), gate=np.asarray([[60.0], [30.0 / far]]))
    assert consensus_distance(at.fused) > 0.7 * (far - 2)
    bound, wrong = (check(theorem, at) for theorem in GATE_THEOREMS)
    assert (bound.status, wrong.status) == ("holds", "refuted")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_fuses_batches_alike_and_keeps_the_dtype(
    xp: ModuleType, device: Any, dtype: str
) -> None:
    arrays = (_draw(1, 2, 3, 4, 2), _draw(2, 2, 3), _draw(3, 2, 3, 2, 5), _draw(4, 2, 3, 2))

    def fuse(arrays: Any) -> list[Any]:
        layers, factors, matrices, gate = arrays
        return [
            concat_fusion(layers, factors=factors),
            concat_fusion(layers, matrices=matrices),
            max_fusion(layers),
            gate_fusion(layers, gate, gate_bias=factors),
        ]

    kind = getattr(xp, dtype)
    results = fuse([xp.asarray(array, dtype=kind, device=device) for array in arrays])
    for i in range(2):
        for result, single in zip(results, fuse([array[i] for array in arrays]), strict=True):
            assert result.dtype == kind
            np.testing.assert_allclose(to_numpy(result)[i], single, atol=1e-5)


LAYERS = np.ones((3, 4, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: concat_fusion(LAYERS), "either factors or matrices"),
        (lambda: concat_fusion(LAYERS, factors=np.ones(2)), r"factors must have shape \(..., 3\)"),
        (lambda: concat_fusion(LAYERS, matrices=np.ones((3, 4, 2))), "matrices must have shape"),
        (lambda: max_fusion(np.ones((0, 4, 2))), "must hold a layer"),
        (lambda: max_fusion(np.ones((4, 2))), "layers must have shape"),
        (lambda: max_fusion(np.ones((3, 4, 2), dtype=int)), "must have dtype"),
        (lambda: max_fusion(LAYERS, bias=np.ones((3, 2))), "bias must have shape"),
        (lambda: max_fusion(LAYERS, bias=np.ones(2, dtype=np.float32)), "dtype of the layers"),
        (lambda: gate_fusion(LAYERS, np.ones((3, 1))), "gate must have shape"),
        (lambda: gate_fusion(LAYERS, np.full((3, 2), np.nan)), "scores of the gate"),
        (lambda: gate_fusion(LAYERS, np.ones((3, 2)), gate_bias=np.ones(2)), "gate_bias must"),
    ],
)
def test_bad_input_is_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
