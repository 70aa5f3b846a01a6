"""Training with fused layers: the maps are theory's, and a run neither lies nor forgets."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulations.datasets.parts import Data
from simulations.fusion.inputs import Inputs
from simulations.fusion.recipe import FUSIONS, FusionKind, Recipe
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.sharing import apply_shared
from theory.blocks.weights import Attention, Block, FeedForward

torch = pytest.importorskip("torch")
from simulations.fusion import nets as nets  # noqa: E402 - it imports torch
from simulations.fusion.answers import score_of  # noqa: E402
from simulations.fusion.train import train_run  # noqa: E402

SMALL = Recipe(
    data="xor", depth=2, width=8, heads=2, ffn=16, epochs=3, batch=20, rate=5e-3, dropout=0.1
)


def xor(count: int, *, seed: int = 0, shuffled: bool = False) -> tuple[Data, Inputs]:
    """Two words of two, and whether they differ: no weighted sum of the words can tell."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 2, (count, 2))
    labels = ids[:, 0] ^ ids[:, 1]
    if shuffled:
        labels = rng.permutation(np.arange(count) % 2)
    third = count // 3
    order = np.arange(count)
    data = Data(
        name="xor",
        items=tuple(map(str, range(count))),
        examples=order[:, None],
        labels=labels,
        parts={
            "train": order[:third],
            "validation": order[third : 2 * third],
            "test": order[2 * third :],
        },
        origin="drawn here",
        licence="none needed",
        split="thirds",
    )
    return data, Inputs(ids, np.ones_like(ids, dtype=bool), 2)


def double(weights: dict[str, Any]) -> dict[str, Any]:
    """Return random weights in float64, none of them zero."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: value.double() + 0.3 * torch.randn(value.shape, generator=generator).double()
        for name, value in weights.items()
    }


def as_block(weights: dict[str, Any], recipe: Recipe, layer: int) -> Block:
    """Return a layer's weights as the block of theory.blocks.forward."""
    d, h = recipe.width, recipe.heads

    def get(name: str) -> Any:
        return weights[f"{layer}.{name}"].numpy()

    def heads(name: str) -> Any:
        return get(name).reshape(d, h, d // h).swapaxes(0, 1)

    def norm(name: str) -> Norm:
        return Norm(gain=get(f"{name}.gain"), shift=get(f"{name}.shift"), eps=1e-12)

    attention = Attention(
        query=heads("query.w"),
        key=heads("key.w"),
        value=heads("value.w"),
        output=get("output.w").reshape(h, d // h, d),
        query_bias=get("query.b").reshape(h, -1),
        key_bias=get("key.b").reshape(h, -1),
        bias=get("output.b"),
    )
    feed = FeedForward(get("in.w"), get("out.w"), get("in.b"), get("out.b"), activation="gelu")
    return Block(attention, feed, norm("norm_1"), norm("norm_2"), recipe.placement)


@pytest.mark.parametrize("placement", ["post", "pre"])
@pytest.mark.parametrize("tied", [False, True])
def test_an_encoder_s_layers_are_the_blocks_of_theory(placement: Any, tied: bool) -> None:
    recipe = replace(SMALL, placement=placement, tied=tied)
    weights = double(nets.draw_encoder(recipe, words=9, longest=5, patch=None))
    ids = torch.tensor([[1, 4, 8, 0, 0], [3, 2, 5, 6, 7]])
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    states = nets.run_encoder(weights, recipe, ids, mask, training=False)
    for layer in range(recipe.depth):
        block = as_block(weights, recipe, 0 if tied else layer)
        heard = np.broadcast_to(mask.numpy()[:, None, :], (2, 5, 5))
        step = apply_block(block, states.tokens[layer].numpy(), mask=heard)
        np.testing.assert_allclose(states.tokens[layer + 1].numpy(), step.output, atol=1e-12)
        assert step.std_1 is not None
        np.testing.assert_allclose(states.stds[layer, 0].numpy(), step.std_1, rtol=1e-5)


def test_a_shared_range_is_the_map_of_theory() -> None:
    recipe = replace(SMALL, depth=4, shared=(2, 3))
    weights = double(nets.draw_encoder(recipe, words=9, longest=5, patch=None))
    mask = torch.ones(1, 5, dtype=torch.bool)
    states = nets.run_encoder(weights, recipe, torch.arange(5)[None], mask, training=False)
    blocks = [as_block(weights, recipe, layer) for layer in range(4)]
    steps = apply_shared(blocks, states.tokens[0].numpy(), first=2, last=3)
    for tokens, step in zip(states.tokens[1:], steps, strict=True):
        np.testing.assert_allclose(tokens.numpy(), step.output, atol=1e-12)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_fused_tokens_are_sum_maximum_or_convex_combination(fusion: FusionKind) -> None:
    recipe = replace(SMALL, fusion=fusion, depth=3)
    head = double(nets.draw_head(recipe, width=8, classes=2, scored=False))
    stack = torch.randn(4, 2, 5, 8, generator=torch.Generator().manual_seed(1)).double()
    fused, layers = nets.fuse_layers(head, recipe, stack), stack[1:]
    if fusion == "concat":
        wanted = head["fusion.b"] + sum(layers[k] @ head["fusion.w"][k] for k in range(3))
    elif fusion == "max":
        wanted = layers.max(dim=0).values
    elif fusion == "gate":
        shares = nets.gate_shares(head, recipe, stack)
        assert float(abs(shares.sum(-1) - 1).max()) < 1e-12
        wanted = sum(layers[k] * shares[..., k, None] for k in range(3))
    else:
        wanted = layers[-1]
    np.testing.assert_allclose(fused.numpy(), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_gradients_are_those_of_finite_differences(fusion: FusionKind) -> None:
    recipe = replace(SMALL, fusion=fusion, width=4, ffn=6)
    weights = double(
        nets.draw_encoder(recipe, words=3, longest=3, patch=None)
        | nets.draw_head(recipe, width=4, classes=2, scored=False)
    )
    ids, mask = torch.tensor([[0, 1, 2]]), torch.ones(1, 3, dtype=torch.bool)
    names = [*(name for name in weights if name.startswith("fusion")), "word", "0.query.w"]

    def logits(*values: Any) -> Any:
        changed = weights | dict(zip(names, values, strict=True))
        tokens = nets.run_encoder(changed, recipe, ids, mask, training=False).tokens
        read = nets.read_out(recipe, nets.fuse_layers(changed, recipe, tokens), mask)
        return nets.answer(changed, read, torch.tensor([[0]]))

    values = tuple(weights[name].clone().requires_grad_() for name in names)
    assert torch.autograd.gradcheck(logits, values, atol=1e-6)


def test_concat_starts_as_the_baseline() -> None:
    encoder = nets.draw_encoder(SMALL, words=2, longest=2, patch=None)
    ids, mask = torch.tensor([[0, 1]]), torch.ones(1, 2, dtype=torch.bool)
    answers = []
    for fusion in ("baseline", "concat"):
        recipe = replace(SMALL, fusion=fusion)
        weights = encoder | nets.draw_head(recipe, width=8, classes=2, scored=False)
        tokens = nets.run_encoder(weights, recipe, ids, mask, training=False).tokens
        fused = nets.fuse_layers(weights, recipe, tokens)
        read = nets.read_out(recipe, fused, mask)
        answers.append(nets.answer(weights, read, torch.tensor([[0]])))
    torch.testing.assert_close(answers[0], answers[1])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_a_linear_model_cannot_solve_is_learned(fusion: FusionKind) -> None:
    data, inputs = xor(300)
    recipe = replace(SMALL, fusion=fusion, epochs=40, patience=40, dropout=0.0, rate=1e-2)
    run = train_run(data, inputs, recipe)
    assert run["score"] == 1.0
    assert run["examples"] == {"train": 100, "validation": 100, "test": 100}


def noise(count: int) -> tuple[Data, Inputs]:
    """Sentences of six words of fifty, all different, with labels that were drawn apart."""
    data, _ = xor(count, shuffled=True)
    ids = np.random.default_rng(5).integers(0, 50, (count, 6))
    assert len(np.unique(ids, axis=0)) == count
    return data, Inputs(ids, np.ones_like(ids, dtype=bool), 50)


def test_shuffled_labels_give_chance_and_a_leak_would_be_seen() -> None:
    data, inputs = noise(450)
    recipe = replace(SMALL, fusion="gate", epochs=30, patience=30, dropout=0.0, rate=1e-2)
    hits = round(train_run(data, inputs, recipe)["score"] * 150)
    assert stats.binomtest(hits, 150, 0.5).pvalue > 1e-4
    # The same training on what it is tested on learns it by heart.
    leaking = replace(data, parts=dict.fromkeys(data.parts, data.parts["test"]))
    assert train_run(leaking, inputs, recipe)["score"] > 0.9


def test_answers_that_are_no_numbers_are_no_score() -> None:
    data, inputs = xor(60)
    weights = nets.draw_encoder(SMALL, words=2, longest=2, patch=None)
    weights |= nets.draw_head(SMALL, width=8, classes=2, scored=False)
    weights["class.b"] += float("nan")
    with pytest.raises(ValueError, match="not finite"):
        score_of(weights, data, inputs, SMALL, "test")


def test_the_same_recipe_gives_the_same_digits_and_another_seed_others() -> None:
    data, inputs = xor(120)
    first, again = (train_run(data, inputs, SMALL) for _ in range(2))
    assert first["history"] == again["history"]
    assert train_run(data, inputs, replace(SMALL, seed=1))["history"] != first["history"]


def test_a_frozen_encoder_keeps_its_weights_and_a_pair_s_score_is_learned() -> None:
    data, inputs = xor(60)
    recipe = replace(SMALL, encoder="minilm", frozen=True, fusion="gate")
    drawn = nets.draw_encoder(recipe, words=2, longest=2, patch=None)
    given = replace(inputs, weights={name: value.numpy() for name, value in drawn.items()})
    pairs = np.stack([np.arange(60), np.roll(np.arange(60), 1)], axis=1)
    scored = replace(data, examples=pairs, labels=np.linspace(0, 1, 60), scored=True)
    run = train_run(scored, given, recipe)
    assert -1 <= run["score"] <= 1
    plain = train_run(scored, replace(given, kept={}), replace(recipe, fusion="baseline"))
    assert plain["cosine"] == run["cosine"]


KILLED = """
import os, sys
from dataclasses import replace
from pathlib import Path
from simulations.fusion.train import train_run
from tests.test_simulations.test_fusion.test_nets import SMALL, xor
data, inputs = xor(120)
def kill(line):
    if "epoch 2" in line and len(sys.argv) > 2:
        print("there", flush=True)
        import time; time.sleep(60)
train_run(data, inputs, replace(SMALL, epochs=5, patience=5), checkpoint=Path(sys.argv[1]),
          on_progress=kill)
"""


def test_a_run_killed_in_mid_training_ends_bit_identical(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    command = [sys.executable, "-c", KILLED, str(path), "kill"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"  # epoch 2 is done, and not yet stored
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    data, inputs = xor(120)
    recipe = replace(SMALL, epochs=5, patience=5)
    lines: list[str] = []
    resumed = train_run(data, inputs, recipe, checkpoint=path, on_progress=lines.append)
    assert len(lines) == 4, "it should go on after the first epoch"
    whole = train_run(data, inputs, recipe)
    for run in (resumed, whole):
        del run["seconds"]
    assert resumed == whole


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    data, inputs = xor(60)
    path = tmp_path / "run.checkpoint"
    train_run(data, inputs, replace(SMALL, epochs=1), checkpoint=path)
    with pytest.raises(ValueError, match="another recipe"):
        train_run(data, inputs, replace(SMALL, epochs=1, seed=1), checkpoint=path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content in (b"", whole[:100], whole[:-1], flipped):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="damaged"):
            train_run(data, inputs, replace(SMALL, epochs=1), checkpoint=path)


def test_training_stops_early_and_keeps_the_best_epoch() -> None:
    data, inputs = xor(300, shuffled=True)
    run = train_run(data, inputs, replace(SMALL, epochs=30, patience=2))
    scores = [score for _, score in run["history"]]
    assert len(scores) == run["best_epoch"] + 2 < 30
    assert run["validation"] == max(scores) == scores[run["best_epoch"] - 1]
