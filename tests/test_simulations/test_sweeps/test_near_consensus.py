"""Does the quantity "law" read what the law and a run near consensus say, and survive as others?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.instruments.trace import trace_centred
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.graphs import mask_by_name
from simulations.stacks.stack import Stack
from simulations.sweeps.near_consensus import (
    LEAST_DEPTH,
    READINGS,
    SPREAD,
    law_readings,
    with_value_gains,
)
from theory.arrays import InputError
from theory.law.transverse import transverse_rates
from theory.statements.instances import member

pytestmark = pytest.mark.once

STACK = Stack(depth=10, tokens=5, width=8, heads=2, ffn_width=8, activation="tanh")
SMALL: dict[str, Any] = {
    "tokens": 4,
    "width": 4,
    "heads": 1,
    "ffn_width": 8,
    "depth": 10,
    "activation": "tanh",
}


def law_sweep(**changes: Any) -> Any:
    """Return a sweep of 12 small cells in 4 tasks that asks for the law, changed as asked."""
    pytest.importorskip("pydantic")
    from simulations.sweeps.config import make_sweep

    content: dict[str, Any] = {
        "stack": SMALL,
        "axes": {"mask": ["full", "causal"], "value_gain": [0.25, 1.0, 4.0]},
        "seeds": {"count": 2},
        "quantities": ["law"],
        "run": {"cells_per_task": 3},
    }
    return make_sweep(**(content | changes))


@pytest.mark.parametrize(
    ("changes", "mask_name"),
    [
        ({}, "full"),
        ({}, "window:1"),
        ({"placement": "pre"}, "causal"),
        ({"placement": "sandwich"}, "causal"),
        ({"placement": "parallel", "gated": True, "activation": "silu"}, "window:1"),
        ({"gated": True, "residual_attention": 0.6, "bias_std": 0.2}, "causal"),
    ],
)
def test_readings_are_those_of_a_run_and_of_the_law_one_by_one(
    changes: dict[str, Any], mask_name: str
) -> None:
    base = replace(STACK, **changes)
    stacks = [replace(base, ffn_gain=2.0), replace(base, value_gain=0.5)]
    mask = mask_by_name(mask_name, base.tokens)
    found = law_readings(stacks, seeds=range(3, 5), mask=mask)
    assert found.keys() == READINGS.keys()
    for i, stack in enumerate(stacks):
        for k, seed in enumerate((3, 4)):
            seeds = range(seed, seed + 1)
            blocks = [member(block, (0,)) for block in draw_blocks(stack, seeds=seeds)]
            tokens = draw_tokens(stack, seeds=seeds)[0]
            centre = tokens.mean(axis=0)
            run = trace_centred(blocks, centre + SPREAD * tokens, mask=mask)
            late = {name: values[2:] for name, values in run.blocks.items()}
            late["sigma"] = late["sigma_1"] * late["sigma_2"]
            names = {"measured": "measured_ratio", "v": "v", "v_sharp": "v_sharp", "sigma": "sigma"}
            for name, column in names.items():
                mean = np.exp(np.log(late[column]).mean())
                assert found[f"law_{name}"][i, k] == pytest.approx(mean, rel=1e-12)
            law = transverse_rates(blocks, mask, centre, layers=stack.depth)
            assert found["law_rate"][i, k] == pytest.approx(law.rate, rel=1e-12)
            assert found["law_error"][i, k] == pytest.approx(law.error, rel=1e-9)
            assert found["law_growth"][i, k] == pytest.approx(law.token_growth, rel=1e-12)


def test_a_stack_without_norms_has_no_sigma_but_all_else() -> None:
    found = law_readings([replace(STACK, norm="none")], seeds=range(1))
    assert np.isnan(found.pop("law_sigma")).all()
    assert all(np.isfinite(values).all() for values in found.values())


def test_stacks_that_cannot_share_a_run_are_refused() -> None:
    with pytest.raises(InputError, match="share their tokens and depth"):
        law_readings([STACK, replace(STACK, depth=3)], seeds=range(1))
    with pytest.raises(InputError, match="at least 2"):
        law_readings([replace(STACK, depth=LEAST_DEPTH - 1)], seeds=range(1))


def test_one_run_for_many_value_gains_has_the_blocks_of_single_draws() -> None:
    gains = np.asarray([0.5, -3.0])
    for block, single in zip(
        draw_blocks(replace(STACK, depth=2), seeds=range(2)),
        draw_blocks(replace(STACK, depth=2, value_gain=-3.0), seeds=range(2)),
        strict=True,
    ):
        wide = with_value_gains(block, gains)
        for part in ("value", "output", "query"):
            one, other = (getattr(b.attention, part) for b in (member(wide, (1,)), single))
            np.testing.assert_array_equal(one, other)


def test_a_store_holds_the_readings_without_a_layer_axis(tmp_path: Path) -> None:
    for library in ("pydantic", "safetensors", "xarray"):
        pytest.importorskip(library)
    from simulations.sweeps.dataset import read_store
    from simulations.sweeps.run import run_sweep

    sweep = law_sweep(quantities=["distance", "law"], run={"cells_per_task": 64})
    assert run_sweep(sweep, tmp_path / "s", workers=0).done == 12
    data = read_store(tmp_path / "s")
    stacks = [Stack(**{**SMALL, "value_gain": gain}) for gain in (0.25, 1.0, 4.0)]
    for name, text in READINGS.items():
        assert data[name].dims == ("mask", "value_gain", "seed")
        assert data[name].attrs["long_name"] == text
        for mask in ("full", "causal"):
            direct = law_readings(stacks, seeds=range(2), mask=mask_by_name(mask, 4))
            np.testing.assert_array_equal(data[name].sel(mask=mask), direct[name])
    assert data["distance"].dims[-1] == "layer"
    assert float(data["distance"].isel(layer=0).min()) > 0.1, "the engine's tokens are not shrunk"


def test_a_law_sweep_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    for library in ("pydantic", "safetensors"):
        pytest.importorskip(library)
    from simulations.sweeps.run import Tally, run_sweep
    from simulations.sweeps.store import Store, stored_keys
    from tests.test_simulations.helpers.sweeps import everything, same

    run_sweep(law_sweep(), tmp_path / "whole", workers=0)
    run_sweep(law_sweep(), tmp_path / "s", workers=0)
    store = Store(tmp_path / "s")
    for key in sorted(stored_keys(store))[::3]:
        store.cell_path(key).unlink()
    assert run_sweep(law_sweep(), store.root, workers=0) == Tally(12, done=12)
    assert same(everything(store.root), everything(tmp_path / "whole"))


def test_the_estimate_of_a_law_sweep_counts_a_cell_of_few_numbers() -> None:
    for library in ("pydantic", "safetensors"):
        pytest.importorskip(library)
    from simulations.sweeps.cost import estimate
    from simulations.sweeps.expansion import expand

    cost = estimate(expand(law_sweep(stack=SMALL | {"depth": 100})))
    assert cost.disk_bytes == 12 * 4096


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"run": {"dtype": "float32"}}, "run.dtype: must be 'float64' for the quantity 'law'"),
        ({"run": {"backend": "torch"}}, "run.backend: must be 'numpy' for the quantity 'law'"),
        ({"stack": SMALL | {"depth": 1}}, "quantities: law must have stacks of 2 layers"),
        ({"stack": {}, "axes": {"depth": [1, 9]}}, "quantities: law must have stacks of 2 layers"),
        ({"quantities": ["law", "law"]}, "quantities: must be some of"),
        ({"quantities": ["lwa"]}, "quantities.0: must be"),
    ],
)
def test_a_law_that_cannot_be_computed_is_refused_before_anything_runs(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        law_sweep(**changes)


def test_the_planes_of_the_figure_are_files_of_one_size() -> None:
    pytest.importorskip("pydantic")
    from simulations.sweeps.config import read_sweep
    from simulations.sweeps.expansion import expand

    examples = Path(__file__).parents[3] / "examples"
    for name in ("ffn", "residual", "sigma"):
        grid = expand(read_sweep(examples / f"law_value_{name}.toml"))
        assert grid.sweep.quantities == ["law"]
        assert grid.shape == (3, 13, 13)
        assert len(grid.seeds) == 4
