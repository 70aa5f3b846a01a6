"""Which grids and numbers can no sweep have?"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")

from simulations.sweeps import cells as sweep_cells
from simulations.sweeps import expansion as sweep_expansion
from simulations.sweeps.config import make_sweep
from simulations.sweeps.dataset import read_store
from simulations.sweeps.expansion import expand
from simulations.sweeps.export import export_store
from simulations.sweeps.run import run_sweep
from theory.arrays import InputError


def test_a_grid_that_is_too_large_is_refused_before_its_points_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep_expansion, "_sobol_points", None)
    tau = {"low": 1.0, "high": 2.0}
    for content in (
        {"sobol": {"points": 2**24, "axes": {"tau": tau}}},
        {"seeds": {"count": 10**18}},
        {"axes": {name: {"linspace": [1, 2, 1000]} for name in ("tau", "value_gain", "ln_eps")}},
    ):
        with pytest.raises(InputError, match="at most 10,000,000 cells"):
            expand(make_sweep(**content))


def test_stacks_of_several_depths_and_flags_are_one_data_set(tmp_path: Path) -> None:
    sweep = make_sweep(
        stack={"tokens": 4, "width": 4, "heads": 1, "ffn_width": 8},
        axes={"tied": [True, False], "depth": {"linspace": [1, 3, 3]}},
        zipped=[{"mask": ["full", "causal"], "tau": [1, 2]}],
        quantities=["cosine_similarity"],
        run={"cells_per_task": 1},
    )
    run_sweep(sweep, tmp_path / "s", workers=0)
    found = read_store(tmp_path / "s")
    assert found["cosine_similarity"].dims == ("tied", "depth", "mask+tau", "seed", "layer")
    missing = np.isnan(found["cosine_similarity"].sel(depth=1))
    assert missing.isel(layer=slice(2, None)).all()
    assert not missing.isel(layer=slice(0, 2)).any()
    if importlib.util.find_spec("h5netcdf"):
        assert export_store(tmp_path / "s", tmp_path / "a.nc") == 0
        assert not list(tmp_path.glob(".*part*"))


def test_gates_placements_and_scales_are_axes(tmp_path: Path) -> None:
    sweep = make_sweep(
        stack={"tokens": 4, "width": 4, "heads": 1, "ffn_width": 8, "depth": 2},
        axes={
            "gated": [False, True],
            "placement": ["pre", "parallel"],
            "residual_attention": {"linspace": [0.5, 1, 2]},
        },
        quantities=["coefficients", "distance"],
    )
    run_sweep(sweep, tmp_path / "s", workers=0)
    found = read_store(tmp_path / "s")
    assert found["v"].dims[:3] == ("gated", "placement", "residual_attention")
    assert found["v"].notnull().all()
    assert (found["measured_ratio"] <= found["v"] * (1 + 1e-9)).all()
    wrong = make_sweep(axes={"placement": ["parallel"]}, stack={"residual_ffn": 0.5})
    with pytest.raises(InputError, match=r"residual_ffn must be left out .*in the cell with"):
        expand(wrong)


def test_fields_that_came_later_leave_the_keys_of_older_cells_alone() -> None:
    grid = expand(make_sweep(stack={"tokens": 4}))
    told = sweep_cells._told(grid.cases[0].stack)
    assert not set(sweep_cells._LATER) & set(told)
    assert set(told) | set(sweep_cells._LATER) == set(vars(grid.cases[0].stack))
    gated = expand(make_sweep(stack={"tokens": 4, "gated": True}))
    assert sweep_cells._told(gated.cases[0].stack) == told | {"gated": True}
    assert not grid.keys() & gated.keys()


def test_one_and_one_point_nought_are_one_cell() -> None:
    whole, real = (expand(make_sweep(axes={"tau": [one]})) for one in (1, 1.0))
    assert whole.keys() == real.keys()
    with pytest.raises(InputError, match="holds a value twice"):
        make_sweep(axes={"tau": [1, 1.0]})


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"axes": {"tau": [float("nan")]}}, "axes.tau.values"),
        ({"axes": {"tau": {"linspace": [0.0, float("inf"), 3]}}}, "linspace"),
        ({"axes": {"tau": {"logspace": [1e-300, 1e300, 3]}}}, "too far apart"),
        ({"axes": {"value_gain": {"linspace": [-1.7e308, 1.7e308, 4]}}}, "too far apart"),
        ({"stack": {"tau": float("inf")}}, "stack.tau"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"seeds": {"first": 2**63}}, "seeds.first"),
        ({"sobol": {"points": 4, "axes": {"mask": {"low": 0.0, "high": 1.0}}}}, "mask: is not"),
        ({"mask": "causal", "axes": {"mask": ["full"]}}, "set twice"),
        ({"quantities": ["distance", "distance"]}, "each once"),
        ({"run": {"cells_per_task": 0}}, "cells_per_task"),
    ],
)
def test_numbers_that_no_sweep_can_have_are_refused(content: dict, match: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=match):
        make_sweep(**content)


def test_a_giant_whole_number_is_refused() -> None:
    with pytest.raises(InputError, match="within float64"):
        expand(make_sweep(stack={"tau": 10**400}))
