"""What is stored of local bounds: is it what is computed, and can the caption be refuted?"""

from pathlib import Path

import numpy as np
import pytest

from paper_figures.figures.bounds import local_bound
from paper_figures.sources.local_bounds import TEXT, as_dataset, bounds_of, load_bounds, make_bounds
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


def test_every_layer_of_a_model_is_stored(tmp_path: Path) -> None:
    model = write_folder(tmp_path)
    path = make_bounds(str(model), workers=1, folder=tmp_path / "made")
    (file,) = (tmp_path / "made").iterdir() if path.is_file() else ()
    assert file == path
