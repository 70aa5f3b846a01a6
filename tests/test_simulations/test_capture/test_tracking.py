"""Is a model that trains measured every so many steps, and does its training go on as if not?"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.capture.trace import trace_model
from simulations.capture.tracking import Tracker, read_tracks
from tests.test_simulations.test_capture.helpers.own import OWN, network
from tests.test_simulations.test_capture.helpers.tiny import encoder, tokens
from theory.arrays import InputError

torch = pytest.importorskip("torch")

X = tokens(2, 7, 16)


def train(model: Any, tracker: Any, *, steps: int = 5) -> list[float]:
    """Train for a few steps with dropout; return the losses."""
    torch.manual_seed(1)
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(steps):
        tracker(step)
        loss = model(X).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_training_goes_on_as_if_nobody_had_looked(tmp_path: Path) -> None:
    plain, watched = (encoder(batch_first=True, dropout=0.3) for _ in range(2))
    watched.layers[0].norm1.eval()  # a mode of its own stays its own
    wanted = train(plain, lambda step: None)
    tracker = Tracker(watched, X, tmp_path / "run.jsonl", every=2)
    assert train(watched, tracker) == wanted
    assert watched.training
    tracks = read_tracks(tmp_path / "run.jsonl")
    assert tracks.steps.tolist() == [0, 2, 4]
    assert tracks.tokens["distance"].shape == (3, 3, 2)
    assert tracks.blocks["v"].shape == (3, 2, 2)
    assert tracks.errors == {}
    assert len(set(tracks.blocks["s"][:, 0, 0])) == 3, "the weights change"


def test_what_is_stored_is_what_was_measured(tmp_path: Path) -> None:
    model = network()
    wanted = trace_model(model, X, family=OWN)
    model.train()
    Tracker(model, X, tmp_path / "run.jsonl", family=OWN)(0)
    tracks = read_tracks(tmp_path / "run.jsonl")
    for name, values in wanted.blocks.items():
        np.testing.assert_array_equal(tracks.blocks[name][0], values)
    for name, values in wanted.tokens.items():
        np.testing.assert_array_equal(tracks.tokens[name][0], values)


def test_the_mode_of_each_module_is_put_back(tmp_path: Path) -> None:
    model = network().train()
    model.blocks[0].first.eval()
    before = [each.training for each in model.modules()]
    Tracker(model, X, tmp_path / "run.jsonl", family=OWN)(0)
    assert [each.training for each in model.modules()] == before
    with pytest.raises(InputError):
        Tracker(model, X, tmp_path / "other.jsonl")(0)  # of no known family
    assert [each.training for each in model.modules()] == before
    assert not (tmp_path / "other.jsonl").exists()


def test_a_later_reading_that_fails_is_a_warning_and_a_line(tmp_path: Path) -> None:
    model = network().train()
    tracker = Tracker(model, X, tmp_path / "run.jsonl", family=OWN, every=1)
    tracker(0)
    with torch.no_grad():
        model.blocks[0].up.weight.fill_(torch.nan)
    with pytest.warns(UserWarning, match="no reading at step 1"):
        tracker(1)
    tracks = read_tracks(tmp_path / "run.jsonl")
    assert tracks.steps.tolist() == [0]
    assert list(tracks.errors) == [1]


def test_a_step_that_was_cut_off_is_left_out_and_a_later_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    model = network()
    tracker = Tracker(model, X, path, family=OWN, every=1)
    for step in range(3):
        tracker(step)
    path.write_bytes(path.read_bytes()[:-20])
    assert read_tracks(path).steps.tolist() == [0, 1]
    tracker(3)
    assert read_tracks(path).steps.tolist() == [0, 1, 3]
    with torch.no_grad():
        model.blocks[0].up.weight.mul_(2)
    tracker(1)
    assert (read_tracks(path).blocks["v"][1] != read_tracks(path).blocks["v"][0]).all()


def test_files_that_are_no_tracks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_tracks(tmp_path / "none.jsonl")
    (tmp_path / "odd.jsonl").write_text("odd\n[1]\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no whole reading"):
        read_tracks(tmp_path / "odd.jsonl")
    with pytest.raises(InputError, match="cannot be written"):
        Tracker(network(), X, tmp_path / "no" / "run.jsonl", family=OWN)(0)
    with pytest.raises(InputError, match="every must be a positive"):
        Tracker(network(), X, tmp_path / "run.jsonl", every=0)


def test_a_trainer_of_transformers_takes_it_as_a_callback(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("transformers")
        from transformers.trainer_callback import (
            CallbackHandler,
            DefaultFlowCallback,
            TrainerControl,
            TrainerState,
        )
        from transformers.training_args import IntervalStrategy
    model = network().train()
    tracker = Tracker(model, X, tmp_path / "run.jsonl", every=2, family=OWN, weights=False)
    handler = CallbackHandler([tracker], model, None, None, None)
    handler.add_callback(DefaultFlowCallback)
    state, control = TrainerState(), TrainerControl()

    class Arguments:
        logging_strategy = eval_strategy = save_strategy = IntervalStrategy.NO
        logging_first_step, eval_delay, save_strategy_steps = False, 0, 1

    control = handler.on_train_begin(Arguments, state, control)
    for step in range(1, 5):
        control = handler.on_step_begin(Arguments, state, control)
        state.global_step = step
        control = handler.on_step_end(Arguments, state, control)
    handler.on_epoch_end(Arguments, state, control)
    tracks = read_tracks(tmp_path / "run.jsonl")
    assert tracks.steps.tolist() == [0, 2, 4]
    assert np.isnan(tracks.blocks["v"]).all()
    assert np.isfinite(tracks.blocks["lambda"]).all()
