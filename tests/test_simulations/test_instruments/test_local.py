"""Which models and layers have local bounds, and are they those of their blocks?"""

from dataclasses import replace
from pathlib import Path

import pytest

from simulations.instruments.local import local_bounds
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.tokens import encode
from simulations.reports.local import above
from tests.test_simulations.helpers.tiny_folder import write_folder
from theory.arrays import InputError
from theory.local.bound import local_bound

TEXT = "a graph of tokens fades"


@pytest.fixture
def model(tmp_path: Path) -> Checkpoint:
    return load_checkpoint(write_folder(tmp_path))


def test_a_layer_is_bounded_on_the_tokens_that_it_gets(model: Checkpoint) -> None:
    (found,) = local_bounds(model, [TEXT], radii=(1e-4, 1e-3), layers=[2])
    *_, last = run(model, encode(model, [TEXT]))
    assert (found.text, found.layer, found.tokens) == (1, 2, last.tokens.shape[1])
    assert found.reached is None
    for bound, radius in zip(found.bounds, (1e-4, 1e-3), strict=True):
        assert bound == local_bound(last.block, last.tokens[0], radius)


def test_models_in_which_not_all_listen_to_all_are_refused(model: Checkpoint) -> None:
    causal = replace(model, architecture=replace(model.architecture, causal=True))
    with pytest.raises(InputError, match="where all tokens of a text listen to all"):
        next(local_bounds(causal, [TEXT], radii=[1e-3]))
    pre = replace(model, blocks=tuple(replace(each, placement="pre") for each in model.blocks))
    with pytest.raises(InputError, match="placed 'pre'"):
        next(local_bounds(pre, [TEXT], radii=[1e-3]))


@pytest.mark.parametrize("radii", [(), (0.0,), (1e-3, float("nan"))])
def test_radii_are_asked_for_before_the_work(model: Checkpoint, radii: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="radius must be a positive number"):
        next(local_bounds(model, [TEXT], radii=radii))


def test_a_bound_is_shown_rounded_up() -> None:
    assert above(0.99991) == "1.0000"
    assert above(0.9999) == "0.9999"
    assert above(0.12341) == "0.1235"
