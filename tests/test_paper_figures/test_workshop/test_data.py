"""A figure's data file holds exactly what was computed."""

import json
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from paper_figures.workshop.data import Dataset, Variable, dumps, load, loads
from theory.arrays import InputError

FLOATS = st.floats(allow_infinity=False) | st.sampled_from([-0.0, 5e-324, 1e308, np.nan])


def dataset(values: np.ndarray, **attrs: object) -> Dataset:
    dims = tuple(f"axis_{i}" for i in range(values.ndim))
    return Dataset({"values": Variable(dims, values, "some values", "m")}, attrs=attrs)


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=FLOATS))
def test_every_float_comes_back_bit_for_bit_and_nan_as_nan(values: np.ndarray) -> None:
    back = loads(dumps(dataset(values)))["values"]
    assert back.dtype == np.float64
    assert np.array_equal(np.isnan(back), np.isnan(values))
    seen = ~np.isnan(values)
    assert back[seen].tobytes() == values[seen].tobytes()


@pytest.mark.parametrize(
    "values",
    [
        np.asarray([[1, 2], [3, 4]]),
        np.asarray([True, False]),
        np.asarray(["▁the", 'a "quote"', "\u2028"]),
        np.asarray(1.5),
        np.zeros(0),
        np.zeros((0, 3)),
        np.asarray([0.1], dtype=np.float32),
    ],
)
def test_other_kinds_and_shapes_come_back(values: np.ndarray) -> None:
    back = loads(dumps(dataset(values)))
    assert back["values"].dtype.kind == values.dtype.kind
    assert back["values"].shape == values.shape
    assert (back["values"] == values).all()
    assert back.data_vars["values"].units == "m"


def test_no_token_of_the_file_is_outside_the_json_standard() -> None:
    text = dumps(dataset(np.asarray([np.nan, 1.0])))
    assert "NaN" not in text
    assert json.loads(text)["data_vars"]["values"]["data"] == [None, 1.0]


def test_xarray_opens_the_file_as_it_is() -> None:
    layer = Variable(("layer",), np.arange(3), "layer")
    cosine = Variable(("layer",), np.asarray([0.1, 0.2, 0.3]), "mean token cosine")
    text = dumps(Dataset({"cosine": cosine}, {"layer": layer}, {"seed": 7}))
    opened = xr.Dataset.from_dict(json.loads(text))
    assert opened.cosine.sel(layer=2).item() == 0.3
    assert opened.cosine.attrs["long_name"] == "mean token cosine"
    assert opened.attrs["seed"] == 7


def test_axes_that_disagree_are_refused_with_their_name() -> None:
    one, two = (Variable(("layer",), np.zeros(n), "x") for n in (3, 4))
    with pytest.raises(InputError, match="'layer'"):
        Dataset({"one": one, "two": two})


@pytest.mark.parametrize(
    ("dims", "values", "message"),
    [
        (("a",), np.zeros((2, 2)), "1 axes|name 1"),
        (("a",), np.asarray([np.inf]), "infinite"),
        (("a",), np.asarray([1j]), "dtype"),
    ],
)
def test_what_the_file_cannot_hold_is_refused(
    dims: tuple[str, ...], values: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Variable(dims, values, "x")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"coords": {}}', "null"])
def test_a_file_of_another_layout_is_an_input_error(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(text)
    with pytest.raises(InputError, match=r"broken\.json"):
        load(broken)
