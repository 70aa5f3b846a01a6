from simulations.datasets.images import fashion_mnist, mnist, patches
from simulations.datasets.load import DATA, load_data
from simulations.datasets.parts import Data, Part
from simulations.datasets.texts import lee, newsgroups, rotten_tomatoes

__all__ = [
    "DATA",
    "Data",
    "Part",
    "fashion_mnist",
    "lee",
    "load_data",
    "mnist",
    "newsgroups",
    "patches",
    "rotten_tomatoes",
]
