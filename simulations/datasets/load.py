"""Which real examples can the fusions be trained on?

Everything is read from installed packages, whose code is never run; nothing of it is kept here.
"""

from collections.abc import Callable

from simulations.datasets.images import fashion_mnist, mnist
from simulations.datasets.parts import Data
from simulations.datasets.texts import lee, newsgroups, rotten_tomatoes
from theory.arrays import InputError

DATA: dict[str, Callable[[], Data]] = {
    "rotten-tomatoes": rotten_tomatoes,
    "lee": lee,
    "newsgroups": newsgroups,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
}
"""The data sets by name."""


def load_data(name: str) -> Data:
    """Return a data set by its name.

    Raises: InputError if there is no such data set, or its package is missing (with the line
            that installs it) or damaged
    """
    if name not in DATA:
        raise InputError(f"data must be one of {', '.join(DATA)}, but is {name!r}")
    return DATA[name]()
