"""Is a model that trains measured every so many steps, and does its training go on as if not?"""

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.capture.trace import trace_model
from simulations.capture.tracking import Tracker
from simulations.sweeps.store import Store, stored_keys
from simulations.sweeps.training import read_course, stacked, training_status
from tests.test_simulations.test_capture.helpers.own import OWN, network
from tests.test_simulations.test_capture.helpers.tiny import encoder, tokens
from theory.arrays import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

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
    tracker = Tracker(watched, X, tmp_path / "run", every=2)
    assert train(watched, tracker) == wanted
    assert watched.training
    course = read_course(tmp_path / "run")
    assert [*course.readings] == [0, 2, 4]
    readings = stacked(course)
    assert readings["tokens/distance"].shape == (3, 3, 2)
    assert readings["blocks/v"].shape == (3, 2, 2)
    assert course.errors == {}
    assert len(set(readings["blocks/s"][:, 0, 0])) == 3, "the weights change"


def test_what_is_stored_is_what_was_measured(tmp_path: Path) -> None:
    model = network()
    wanted = trace_model(model, X, family=OWN)
    model.train()
    Tracker(model, X, tmp_path / "run", family=OWN)(0)
    arrays, _ = read_course(tmp_path / "run").readings[0]
    assert len(arrays) == len(wanted.blocks) + len(wanted.tokens)
    for name, values in wanted.blocks.items():
        np.testing.assert_array_equal(arrays[f"blocks/{name}"], values)
    for name, values in wanted.tokens.items():
        np.testing.assert_array_equal(arrays[f"tokens/{name}"], values)


def test_a_data_set_says_what_each_reading_is(tmp_path: Path) -> None:
    for module in ("xarray", "pydantic"):
        pytest.importorskip(module)
    from simulations.sweeps.dataset import read_store

    Tracker(network(), X, tmp_path / "run", family=OWN)(0)
    data = read_store(tmp_path / "run")
    assert [name for name in data.data_vars if not data[name].attrs["long_name"]] == []
    assert data.attrs["torch"].startswith(torch.__version__.partition("+")[0])
    assert data.attrs["title"] == type(network()).__name__


def test_the_mode_of_each_module_is_put_back(tmp_path: Path) -> None:
    model = network().train()
    model.blocks[0].first.eval()
    before = [each.training for each in model.modules()]
    Tracker(model, X, tmp_path / "run", family=OWN)(0)
    assert [each.training for each in model.modules()] == before
    with pytest.raises(InputError):
        Tracker(model, X, tmp_path / "other")(0)  # of no known family
    assert [each.training for each in model.modules()] == before
    assert not (tmp_path / "other").exists()


def test_a_later_reading_that_fails_is_a_warning_and_a_note(tmp_path: Path) -> None:
    model = network().train()
    tracker = Tracker(model, X, tmp_path / "run", family=OWN, every=1)
    tracker(0)
    with torch.no_grad():
        model.blocks[0].up.weight.fill_(torch.nan)
    with pytest.warns(UserWarning, match="no reading at step 1"):
        tracker(1)
    course = read_course(tmp_path / "run")
    assert [*course.readings] == [0]
    assert [*course.errors] == [1]
    assert "finite" in course.errors[1]
    assert training_status(course).failed == 1


def test_a_disk_that_takes_no_more_does_not_end_the_training(tmp_path: Path) -> None:
    tracker = Tracker(network(), X, tmp_path / "run", family=OWN, every=1)
    tracker(0)
    for name in ("cells", "failed"):
        shutil.rmtree(tmp_path / "run" / name, ignore_errors=True)
        (tmp_path / "run" / name).write_text("in the way", encoding="utf-8")
    with pytest.warns(UserWarning, match="cannot be written"):
        assert tracker(1)


def test_a_damaged_reading_is_told_and_the_others_are_there(tmp_path: Path) -> None:
    tracker = Tracker(network(), X, tmp_path / "run", family=OWN, every=1, steps=3)
    for step in range(3):
        tracker(step)
    store = Store(tmp_path / "run", "training")
    path = store.cell_path(max(stored_keys(store)))
    path.write_bytes(path.read_bytes()[:-20])
    (path.parent / ".half.part").write_bytes(b"what a kill left")
    course = read_course(tmp_path / "run")
    assert [*course.readings] == [0, 1]
    assert "checksum" in course.errors[2]
    status = training_status(course)
    assert (status.readings, status.corrupt, status.failed) == (2, 1, 0)
    assert not status.finished


def test_a_training_that_goes_back_counts_from_there(tmp_path: Path) -> None:
    model = network()
    first = Tracker(model, X, tmp_path / "run", family=OWN, every=1)
    for step in range(4):
        first(step)
    with torch.no_grad():
        model.blocks[0].up.weight.mul_(2)
    Tracker(model, X, tmp_path / "run", family=OWN, every=1)(2)  # from a checkpoint
    course = read_course(tmp_path / "run")
    assert [*course.readings] == [0, 1, 2]
    v = stacked(course)["blocks/v"]
    assert (v[0] == v[1]).all()
    assert (v[2] != v[1]).any()
    first(1)  # and the same tracker, in a loop that begins again
    assert [*read_course(tmp_path / "run").readings] == [0, 1]


def test_how_far_it_is_and_how_fast_is_known(tmp_path: Path) -> None:
    tracker = Tracker(network(), X, tmp_path / "run", family=OWN, every=2, steps=5)
    for step in range(4):
        tracker(step)
    status = training_status(read_course(tmp_path / "run"))
    assert (status.first_step, status.last_step, status.steps, status.every) == (0, 2, 5, 2)
    assert status.steps_per_second is not None
    assert status.seconds_left == pytest.approx(3 / status.steps_per_second)
    assert not status.finished
    tracker(4)
    assert training_status(read_course(tmp_path / "run")).finished


def test_stores_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be the store of a training, but has no file"):
        read_course(tmp_path / "none")
    (tmp_path / "file").write_text("odd", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        Tracker(network(), X, tmp_path / "file" / "run", family=OWN)(0)
    with pytest.raises(InputError, match="every must be a positive"):
        Tracker(network(), X, tmp_path / "run", every=0)
    with pytest.raises(InputError, match="step must be a number from 0"):
        Tracker(network(), X, tmp_path / "run", family=OWN)(-100)
    Tracker(network(), X, tmp_path / "train", family=OWN)(0)
    with pytest.raises(InputError, match="belongs to a training that differs in every"):
        Tracker(network(), X, tmp_path / "train", every=50, family=OWN)(0)


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
    tracker = Tracker(model, X, tmp_path / "run", every=2, family=OWN, weights=False)
    handler = CallbackHandler([tracker], model, None, None, None)
    handler.add_callback(DefaultFlowCallback)
    state, control = TrainerState(max_steps=4), TrainerControl()

    class Arguments:
        logging_strategy = eval_strategy = save_strategy = IntervalStrategy.NO
        logging_first_step, eval_delay, save_strategy_steps = False, 0, 1

    control = handler.on_train_begin(Arguments, state, control)
    for step in range(1, 5):
        control = handler.on_step_begin(Arguments, state, control)
        state.global_step = step
        control = handler.on_step_end(Arguments, state, control)
    handler.on_epoch_end(Arguments, state, control)
    course = read_course(tmp_path / "run")
    assert [*course.readings] == [0, 2, 4]
    assert training_status(course).steps == 4, "the Trainer says it"
    assert np.isnan(stacked(course)["blocks/v"]).all()
    assert np.isfinite(stacked(course)["blocks/lambda"]).all()
    state.is_world_process_zero, state.global_step = False, 6
    tracker.on_step_end(Arguments, state, control)
    assert [*read_course(tmp_path / "run").readings] == [0, 2, 4], "one process measures"
