"""What a fusion run says of its layers: the refitted classifiers, the sigmas, the products."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from simulations.fusion.recipe import FUSIONS, FusionKind, Readout, Recipe
from tests.test_simulations.test_fusion.test_nets import SMALL, xor
from theory.blocks.sharing import attention_flops

torch = pytest.importorskip("torch")
from simulations.fusion import nets as nets  # noqa: E402 - it imports torch
from simulations.fusion.answers import forward, rank_correlation  # noqa: E402
from simulations.fusion.measures import layer_scores  # noqa: E402
from simulations.fusion.train import train_run  # noqa: E402

TRAINED = replace(SMALL, epochs=40, patience=40, dropout=0.0, rate=1e-2)


def test_a_refitted_classifier_finds_what_the_layer_has_and_no_more() -> None:
    data, inputs = xor(300)
    run = train_run(data, inputs, TRAINED)
    embedded, *_, last = run["layer_scores"]
    assert len(run["layer_scores"]) == TRAINED.depth + 1
    # The mean of two words' rows is the sum of two bits in disguise, from which no line parts
    # equal from different: at best three of the four cases come out right.
    assert embedded < 0.85
    assert last == run["score"] == 1.0


def test_of_pairs_each_layer_is_scored_by_its_cosine() -> None:
    data, inputs = xor(60)
    pairs = np.stack([np.arange(60), np.roll(np.arange(60), 1)], axis=1)
    ids = inputs.inputs
    alike = (ids[pairs[:, 0]] == ids[pairs[:, 1]]).mean(axis=1)
    scored = replace(data, examples=pairs, labels=alike.astype(float), scored=True)
    weights = nets.draw_encoder(SMALL, words=2, longest=2, patch=None)
    with torch.no_grad():  # words that are opposite, and no positions: the cosine is the overlap
        weights["position"] *= 0
        weights["word"][1] = -weights["word"][0]
    found = layer_scores(weights, scored, inputs, SMALL)
    assert len(found) == SMALL.depth + 1
    assert all(-1 <= score <= 1 for score in found)
    assert found[0] > 0.5


def test_a_layer_that_is_the_same_for_all_pairs_scores_nothing() -> None:
    assert rank_correlation(np.full(5, 0.3), np.arange(5.0)) == 0
    assert rank_correlation(np.arange(5.0), np.arange(5.0)) == pytest.approx(1)


def test_what_each_run_says_of_its_layers() -> None:
    data, inputs = xor(60)
    run = train_run(data, inputs, replace(SMALL, depth=4, shared=(2, 4), fusion="gate"))
    quantiles = run["sigma_product_last"]
    assert len(quantiles) == 101
    assert quantiles == sorted(quantiles)
    assert quantiles[0] <= run["sigma_product"][-1] <= quantiles[-1]
    assert run["attention_flops"] == attention_flops(depth=4, n=2, d=8, first=2, last=4)
    assert "layer_scores" not in run, "it is the baseline's"


def test_a_gate_that_never_learned_is_the_plain_average() -> None:
    data, inputs = xor(60)
    run = train_run(data, inputs, replace(SMALL, fusion="gate", head_rate=1e-12, decay=0.0))
    np.testing.assert_allclose(run["gate"], 1 / SMALL.depth, atol=1e-6)
    assert run["cosine_fused"] == pytest.approx(run["cosine_average"], abs=1e-6)
    taught = train_run(data, inputs, replace(TRAINED, fusion="gate", head_rate=0.3))
    assert abs(taught["cosine_fused"] - taught["cosine_average"]) > 1e-3


def test_the_first_token_alone_is_read_if_it_is_asked_for() -> None:
    recipe = replace(SMALL, readout="first")
    tokens = torch.arange(24.0).reshape(1, 3, 2, 4)
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    assert nets.read_out(recipe, tokens, mask).tolist() == tokens[:, :, 0].tolist()
    mean = nets.read_out(SMALL, tokens, mask)
    assert mean[0, 1].tolist() == tokens[0, 1, 0].tolist(), "the padding is not read"
    assert mean[0, 0].tolist() == tokens[0, 0].mean(0).tolist()
    data, inputs = xor(300)  # the other word comes to the first one by attention
    assert train_run(data, inputs, replace(TRAINED, readout="first"))["score"] == 1.0


@pytest.mark.parametrize("readout", get_args(Readout))
@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_is_kept_of_a_frozen_encoder_gives_the_answers_of_its_tokens(
    fusion: FusionKind, readout: Readout
) -> None:
    data, inputs = xor(30)
    frozen = replace(SMALL, encoder="minilm", frozen=True, fusion=fusion, readout=readout)
    weights = nets.draw_encoder(frozen, words=2, longest=2, patch=None)
    given = replace(inputs, weights={name: value.numpy() for name, value in weights.items()})
    weights |= nets.draw_head(frozen, width=8, classes=2, scored=False)
    weights |= {"fusion.gate": torch.arange(8.0)} if fusion == "gate" else {}
    chosen = np.arange(20)
    with torch.no_grad():
        short, long = (
            forward(weights, data, given, recipe, chosen, training=False)
            for recipe in (frozen, replace(frozen, frozen=False))
        )
    np.testing.assert_allclose(short.numpy(), long.numpy(), atol=1e-6)


def test_fusion_and_classifier_learn_at_a_rate_of_their_own() -> None:
    data, inputs = xor(60)
    slow = replace(SMALL, epochs=1, rate=1e-12, decay=0.0, dropout=0.0)
    still = train_run(data, inputs, slow)
    moved = train_run(data, inputs, replace(slow, epochs=30, patience=30, head_rate=0.1))
    assert moved["history"][-1][0] < still["history"][0][0] - 1e-3
    np.testing.assert_allclose(moved["cosine"], still["cosine"], rtol=1e-5)


def test_half_precision_changes_digits_and_still_learns() -> None:
    data, inputs = xor(300)
    full = train_run(data, inputs, TRAINED)
    half = train_run(data, inputs, replace(TRAINED, precision="bfloat16"))
    assert half["history"] != full["history"]
    assert half["score"] == 1.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"precision": "float16"}, "precision"), ({"head_rate": 2.0}, "head_rate")],
)
def test_a_wrong_option_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Recipe(data="xor", **changes)  # type: ignore[arg-type]


def test_runs_that_share_attention_have_files_of_their_own() -> None:
    names = {
        replace(SMALL, depth=3, shared=shared).name for shared in (None, (1, 2), (1, 3), (2, 3))
    }
    assert len(names) == 4
