"""What do tests of several figures share?"""

from pathlib import Path

import pytest

from paper_figures.sources import fusion_runs
from tests.test_paper_figures.helpers.invented_runs import store_all


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put invented fusion runs in the stored ones' place."""
    place = tmp_path / "stored"
    place.mkdir()
    store_all(place)
    monkeypatch.setattr(fusion_runs, "RUNS_FOLDER", place)
    return place
