"""Are figures of installed models deterministic, and made of each sentence by itself?"""

from pathlib import Path

import pytest

from paper_figures.figures.catalogue import FIGURES, make_figures
from paper_figures.sources.models import MODELS
from paper_figures.workshop.build import render
from paper_figures.workshop.data import load
from theory.arrays import InputError


@pytest.fixture(scope="module")
def installed() -> None:
    """Skip where a model or the sentences are not installed."""
    from paper_figures.sources.models import checkpoint
    from simulations.models.texts import sentences

    try:
        checkpoint("minilm")
        sentences(1)
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("installed")
def test_measures_of_a_padded_batch_are_those_of_its_single_sentences() -> None:
    from paper_figures.sources.models import _measure
    from simulations.models.find import load_checkpoint
    from simulations.models.forward import run
    from simulations.models.texts import sentences
    from simulations.models.tokens import encode
    from theory.measures.tokens import cosine_similarity

    runs = _measure("minilm", 16, 16, 0)
    model = load_checkpoint("minilm")
    for number in (0, 7):
        steps = list(run(model, encode(model, [sentences(16)[number]])))
        alone = [float(cosine_similarity(layer.step.output)[0]) for layer in steps]
        assert runs.cosine[number, 1:] == pytest.approx(alone, abs=1e-5)
        std = [float(layer.step.std_1.min()) for layer in steps if layer.step.std_1 is not None]
        assert runs.sigma_1[number] == pytest.approx(std, rel=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_the_whole_job_is_deterministic_and_its_pictures_need_only_the_data(
    tmp_path: Path,
) -> None:
    outcomes = make_figures(out=tmp_path, quick=True)
    assert [outcome.error for outcome in outcomes] == [None] * len(FIGURES)
    assert not any(outcome.refuted for outcome in outcomes)
    page = (tmp_path / "index.html").read_text()
    again = tmp_path / "again"
    again.mkdir()
    for name, figure in FIGURES.items():
        assert f'id="{name}"' in page
        stored = tmp_path / f"{name}.json"
        _, png = render(figure, stored, into=again)
        assert png.read_bytes() == (tmp_path / f"{name}.png").read_bytes(), name
        if figure.packages:
            attrs = load(stored).attrs
            assert any(key.endswith("_weights_sha256") for key in attrs), name
    assert set(MODELS) == {"e5-small", "minilm"}
