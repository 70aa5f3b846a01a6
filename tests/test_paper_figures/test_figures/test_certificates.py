"""Does the figure of the certificates show what they prove, and can its caption be refuted?"""

from pathlib import Path

import pytest

from paper_figures.figures.bounds import residual_attention_exact as figure
from paper_figures.sources import certificates
from paper_figures.workshop.build import Settings
from paper_figures.workshop.data import Dataset
from tests.test_paper_figures.helpers.changed_data import changed


@pytest.fixture(scope="module")
def proved() -> Dataset:
    return figure.compute(Settings(quick=True))


def test_two_hubs_lie_between_the_proved_ends(proved: Dataset) -> None:
    assert not figure.refuted(proved)
    assert (proved["reached"] <= proved["two_hubs"] + 1e-9).all()
    assert (proved["two_hubs"] <= proved["at_most"]).all()
    assert list(proved["tokens"]) == [2, 3, 4, 5]
    assert list(proved["t"]) == [0.25, 0.5, 1, 2]


@pytest.mark.parametrize(
    ("name", "moved"),
    [("at_most", 2e-6), ("reached", -2e-6), ("two_hubs", 1e-4), ("two_hubs", -1e-4)],
)
def test_every_part_of_its_caption_can_be_refuted(proved: Dataset, name: str, moved: float) -> None:
    assert figure.refuted(changed(proved, name, proved[name] + moved))
    assert figure.refuted(changed(proved, "published", proved["at_most"]))


def test_a_certificate_that_proves_nothing_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = certificates.STORED / "attention-3-tokens-t-1.json"
    (tmp_path / stored.name).write_bytes(stored.read_bytes().replace(b'"t":"1"', b'"t":"2"'))
    monkeypatch.setattr(certificates, "STORED", tmp_path)
    with pytest.raises(ValueError, match="damaged"):
        certificates.worst_cases(most_tokens=7)
