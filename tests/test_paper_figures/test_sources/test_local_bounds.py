"""What is stored of local bounds: is it what is computed, and can the caption be refuted?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paper_figures.figures.bounds import local_bound
from paper_figures.sources.local_bounds import TEXT, as_dataset, bounds_of, load_bounds
from paper_figures.workshop.build import Settings
from paper_figures.workshop.data import Dataset
from tests.test_paper_figures.helpers.changed_data import changed
from tests.test_simulations.helpers.tiny_folder import write_folder
from theory.arrays import InputError


@pytest.fixture(scope="module")
def stored() -> Dataset:
    return local_bound.compute(Settings())


def test_a_file_that_is_missing_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="local_summary minilm"):
        load_bounds("minilm", folder=tmp_path)


def test_a_layer_is_stored_as_it_was_bounded(tmp_path: Path) -> None:
    found = bounds_of(str(write_folder(tmp_path)), "a graph of tokens fades", 2, (1e-4, 3.0))
    data = as_dataset([found], {"model": "tiny"})
    assert found.reached is not None
    assert data["layer"].tolist() == [2]
    assert data["radius"].tolist() == [1e-4, 3.0]
    assert data["bound"][0, 0] == found.bounds[0].bound
    assert np.isnan(data["bound"][0, 1]), "the ball holds consensus"
    assert data["reached"].tolist() == [list(found.reached)]


def test_the_caption_is_what_the_data_say(stored: Dataset) -> None:
    assert not local_bound.refuted(stored)
    assert stored.attrs["text"] == TEXT
    assert (stored["ratio"][:, None] <= stored["reached"] * (1 + 1e-5)).all()
    assert (stored["bound"] <= stored["saturation"]).all()
    below = stored["ratio"] < 1
    told = list(stored["radius"]).index(stored.attrs["told_radius"])
    assert (stored["bound"][below, told] < 1).all()


def test_every_part_of_the_caption_can_be_refuted(stored: Dataset) -> None:
    assert local_bound.refuted(changed(stored, "reached", stored["bound"] * 1.001))
    for name, value in (("factor_highest", 1.03), ("own_until", 3e-4), ("proved_number", 0)):
        told = replace(stored, attrs={**stored.attrs, name: value})
        assert local_bound.refuted(told)


@pytest.mark.slow
def test_a_stored_layer_comes_out_again(stored: Dataset) -> None:
    pytest.importorskip("tokenizers")
    found = bounds_of("minilm", TEXT, 6, (1e-3,))
    told = list(stored["radius"]).index(1e-3)
    assert found.bounds[0].bound == pytest.approx(stored["bound"][5, told], rel=1e-6)
    assert found.reached is not None
    assert found.reached[0] == pytest.approx(stored["reached"][5, told], rel=1e-6)
