"""Are the named models what they are said to be, and read as their makers' libraries read them?"""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image

from simulations.machine.packages import package_folder
from simulations.models import find
from simulations.models.catalogue import KNOWN
from simulations.models.checkpoint import Checkpoint, embeddings_of, tokenizer_of
from simulations.models.find import how_to_install, is_installed, load_checkpoint
from simulations.models.forward import run
from simulations.models.images import encode_images
from simulations.models.tokens import encode
from simulations.reports.zoo import zoo_json, zoo_reading
from tests.test_simulations.helpers.against_transformers import differences
from theory.arrays import InputError
from theory.blocks.norms import apply_norm

ROOT = Path(__file__).resolve().parents[3]
REACTION = "CC(=O)O.OCCc1ccccc1>>CC(=O)OCCc1ccccc1"


def load_or_skip(name: str) -> Checkpoint:
    try:
        return load_checkpoint(name)
    except InputError as error:
        if not re.search("not installed|needs the package|torch", str(error)):
            raise
        pytest.skip(str(error))


def test_every_named_model_is_pinned_where_it_is_installed_from() -> None:
    folder = ROOT / "requirements"
    pins = "".join((folder / f"{file}.txt").read_text() for file in ("models", "zoo"))
    for known in KNOWN.values():
        source = known.sources[0]
        pin = rf"^{source.package}=={re.escape(source.version)} --hash=sha256:\w{{64}}$"
        assert re.search(pin, pins, re.MULTILINE)
        assert re.fullmatch(r"[0-9a-f]{64}", known.sha256)


def test_every_named_model_is_told_in_the_docs() -> None:
    rows = (ROOT / "docs" / "models.md").read_text(encoding="utf-8").splitlines()
    for name, known in KNOWN.items():
        row = next(row for row in rows if row.startswith(f"| `{name}` |"))
        for said in (f"{known.layers} × {known.width}", known.sources[0].package, known.shown):
            assert said in row, said


def test_the_list_says_what_is_missing_and_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(find, "package_folder", lambda package: None)
    assert not any(map(is_installed, KNOWN.values()))
    found = zoo_json()["models"]
    assert not any(model["installed"] for model in found.values())
    for name, known in KNOWN.items():
        assert f"{name}: {how_to_install(known)}" in zoo_reading()
        with pytest.raises(InputError, match=re.escape(how_to_install(known))):
            load_checkpoint(name)


def test_albert_on_reactions_agrees_with_transformers() -> None:
    checkpoint = load_or_skip("rxnmapper")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
    folder = package_folder("rxnmapper")
    assert folder is not None
    place = folder / KNOWN["rxnmapper"].sources[0].place
    # Through their folder's pickle, which they too read as tensors alone.
    model = transformers.AlbertModel.from_pretrained(place, attn_implementation="eager").eval()
    encoded = encode(checkpoint, [REACTION, "CCO>>CC=O"])
    assert encoded.pieces[1] == ("[CLS]", "C", "C", "O", ">>", "C", "C", "=", "O", "[SEP]")
    assert max(differences(checkpoint, encoded, model).values()) < 1e-5
    assert len(set(map(id, checkpoint.blocks))) == 1


@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france() -> None:
    checkpoint = load_or_skip("smollm2")
    *_, last = run(checkpoint, encode(checkpoint, ["The capital of France is"]))
    assert checkpoint.final_norm is not None
    token = apply_norm(checkpoint.final_norm, last.step.output)[0, -1]
    words = embeddings_of(checkpoint).word[np.arange(checkpoint.architecture.vocabulary)]
    engine = tokenizer_of(checkpoint).engine
    assert engine.id_to_token(int((words @ token).argmax())) == "ĠParis"


@pytest.mark.slow
def test_dinov2_finds_parts_of_a_portrait_more_alike_than_another_picture(tmp_path: Path) -> None:
    checkpoint = load_or_skip("dinov2-s")
    samples = Path(get_data_path(), "sample_data")
    portrait = Image.open(samples / "grace_hopper.jpg").convert("RGB")
    other = Image.open(samples / "Minduka_Present_Blue_Pack.png").convert("RGB")
    width, height = portrait.size
    parts = (portrait, portrait.crop((0, 0, width, 3 * height // 4)), other)
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for part, file in zip(parts, files, strict=True):
        part.save(file)
    *_, last = run(checkpoint, encode_images(checkpoint, files))
    assert checkpoint.final_norm is not None
    first = apply_norm(checkpoint.final_norm, last.step.output)[:, 0]
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    assert first[0] @ first[1] > first[0] @ first[2] + 0.2
