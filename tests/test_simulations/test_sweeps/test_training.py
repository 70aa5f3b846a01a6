"""Do `status` and `export` read the store of a model that trains, whoever measured it?"""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")
pytest.importorskip("xarray")

import xarray

from paper_figures.command.main import main
from simulations.sweeps.dataset import read_store
from simulations.sweeps.export import export_store
from simulations.sweeps.status import sweep_status
from simulations.sweeps.store import Store, create_store
from simulations.sweeps.training import keep_reading, note_failure
from theory.arrays import InputError

REASON = "which expert a token goes to jumps"


def keep(store: Store, step: int, *, depth: int = 2, reasons: tuple[str, ...] = ()) -> None:
    """Keep a reading of two inputs, all of whose numbers tell step, layer and input."""
    numbers = step + np.arange(depth + 1)[:, None] / 10 + np.arange(2) / 100
    names = ("distance", "norm", "cosine_similarity", "relative_distance", "log10_distance")
    arrays = {f"tokens/{name}": numbers for name in names}
    arrays |= {f"blocks/{name}": numbers[1:] for name in ("lambda", "s", "measured_ratio")}
    about = {"start": 1, "steps": 300, "reasons": [*reasons]}
    keep_reading(store, arrays, start=1, step=step, about=about)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three readings, one of which failed."""
    about = {"model": "Net", "every": 100, "weights": True}
    made = create_store(tmp_path / "run", about, kind="training")
    keep(made, 0)
    note_failure(made, "tokens must be finite", start=1, step=100)
    keep(made, 200, reasons=("", REASON))
    return made


def test_a_store_is_one_data_set(store: Store) -> None:
    data = read_store(store.root)
    assert dict(data.sizes) == {"step": 3, "layer": 3, "input": 2, "block": 2}
    assert data["step"].values.tolist() == [0, 100, 200]
    assert data["complete"].values.tolist() == [True, False, True]
    assert float(data["lambda"].sel(step=200, block=1, input=1)) == pytest.approx(200.11)
    assert float(data["token_norm"].sel(step=200, layer=2, input=0)) == pytest.approx(200.2)
    assert np.isnan(data["s"].sel(step=100)).all()
    assert json.loads(data.attrs["errors"]) == {"100": "tokens must be finite"}
    assert json.loads(data.attrs["reasons"]) == {"200": ["", REASON]}
    assert data.attrs["title"] == "Net"
    assert data["s"].attrs["long_name"] == "largest singular value of the weights"


def test_a_model_that_grows_is_one_too(store: Store) -> None:
    keep(store, 300, depth=3)
    data = read_store(store.root)
    assert np.isnan(data["distance"].sel(step=200, layer=3)).all()
    assert np.isfinite(data["distance"].sel(step=300)).all()


@pytest.mark.parametrize("name", ["run.nc", "run.zarr"])
def test_it_is_exported_as_sweeps_are(
    store: Store, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("h5netcdf", "zarr"):
        pytest.importorskip(module)
    assert main(["export", str(store.root), str(tmp_path / name)]) == 0
    assert "1 cells" in capsys.readouterr().err
    if name.endswith("nc"):
        found = xarray.open_dataset(tmp_path / name, engine="h5netcdf")
    else:
        found = xarray.open_zarr(tmp_path / name, consolidated=False)
    with found:
        xarray.testing.assert_equal(found.load(), read_store(store.root))
        assert found.attrs == read_store(store.root).attrs


def test_status_tells_steps_failures_and_the_last_reading(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(store.root), "--json"]) == 1, "a reading failed"
    found = json.loads(capsys.readouterr().out)
    assert (found["readings"], found["failed"], found["last_step"]) == (2, 1, 200)
    assert found["steps"] == 300
    assert found["errors"] == {"100": "tokens must be finite"}
    assert found["last"]["blocks"]["lambda"][0] == pytest.approx([200.1, 200.11])
    assert found["last"]["reasons"] == ["", REASON]
    main(["status", str(store.root)])
    shown = capsys.readouterr().out
    assert "Net, step 200" in shown
    assert "step 100: tokens must be finite" in shown
    assert REASON in " ".join(shown.split())


def test_stores_of_both_kinds_are_told_apart(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be the store of a sweep, but is one of a training"):
        sweep_status(store.root)
    with pytest.raises(InputError, match=r"one of a sweep, but .* holds 'training'"):
        create_store(store.root, {"name": "x"})
    empty = create_store(tmp_path / "empty", {"model": "Net", "every": 1}, kind="training")
    with pytest.raises(InputError, match="holds no reading yet"):
        export_store(empty.root, tmp_path / "empty.nc")
    assert main(["status", str(empty.root)]) == 1
