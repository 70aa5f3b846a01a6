"""Are images measured by the command, and the named models listed?"""

import json
from pathlib import Path

import numpy as np
import pytest

from simulations.models.catalogue import KNOWN
from tests.helpers.commands import refused, said
from tests.test_simulations.helpers.tiny_folder import write_folder
from tests.test_simulations.helpers.tiny_vit import SQUARE, picture, write_images_model


def test_images_are_measured_layer_by_layer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images_model(tmp_path, SQUARE)
    files = [str(picture(tmp_path / name, 20, 30)) for name in ("one.png", "two.png")]
    code, out, _ = said(capsys, "analyze", str(tmp_path), "--images", *files, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["images"] == ["one.png", "two.png"]
    assert found["image_tokens"] == 5
    assert np.shape(found["tokens"]["cosine_similarity"]) == (3, 2)
    assert np.all(np.array(found["inequality"]) == "holds")
    _, out, _ = said(capsys, "analyze", str(tmp_path), "--images", files[0])
    assert "1 image(s) of 5 tokens" in out


def test_questions_that_do_not_go_together_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vit").mkdir()
    (tmp_path / "bert").mkdir()
    vit = str(write_images_model(tmp_path / "vit", SQUARE))
    bert = str(write_folder(tmp_path / "bert"))
    file = str(picture(tmp_path / "one.png"))
    for words, message in (
        ([vit], "reads images, not texts; analyze --images FILE"),
        ([bert, "--images", file], "reads texts, not images"),
        ([vit, "--images", file, "--max-length", "9"], "images exclude text, max-length and out"),
        ([vit, "--images", file + "x"], "cannot be read: No such file or directory"),
    ):
        assert message in refused(capsys, "analyze", *words)


def test_the_named_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    _, table, _ = said(capsys, "models")
    found = json.loads(said(capsys, "models", "--json")[1])
    for name, known in KNOWN.items():
        assert name in table
        assert found["models"][name]["licence"] == known.licence
        assert found["models"][name]["layers"] == known.layers
    assert "llama" in found["model_types"]
