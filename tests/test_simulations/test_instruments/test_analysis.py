"""Texts through a checkpoint: named, found in a folder or loaded already, it is the same one."""

from pathlib import Path

import numpy as np
import pytest

from simulations.instruments.analysis import DEFAULT_LENGTH, analyze
from simulations.instruments.trace import trace_blocks
from simulations.machine.backends import backend
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed
from tests.test_simulations.helpers.tiny_folder import write_folder
from theory.arrays import InputError

TEXTS = ["a graph of tokens", "a graph fades slowly"]


def test_a_checkpoint_may_be_given_by_its_folder(tmp_path: Path) -> None:
    write_folder(tmp_path)
    loaded = analyze(load_checkpoint(tmp_path), TEXTS, max_length=16)
    for name in (tmp_path, str(tmp_path)):
        found = analyze(name, TEXTS, max_length=16)
        assert found.encoded.pieces == loaded.encoded.pieces
        for measure, values in loaded.trace.tokens.items():
            np.testing.assert_array_equal(found.trace.tokens[measure], values)


def test_special_tokens_are_left_out_of_the_similarity_only(tmp_path: Path) -> None:
    write_folder(tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    whole, inner = (
        analyze(checkpoint, TEXTS, max_length=16, skip_special=skip) for skip in (False, True)
    )
    encoded = whole.encoded
    kept = encoded.token_mask & ~encoded.special_mask
    assert (kept.sum(axis=-1) >= 2).all()
    wanted = trace_blocks(
        checkpoint.blocks,
        embed(checkpoint, encoded),
        present=encoded.token_mask,
        token_mask=kept,
    )
    for measure, values in wanted.tokens.items():
        np.testing.assert_array_equal(inner.trace.tokens[measure], values)
    np.testing.assert_array_equal(inner.trace.blocks["v"], whole.trace.blocks["v"])


@pytest.mark.parametrize(("name", "hint"), [("minilmm", "did you mean 'minilm'"), ("", "one of")])
def test_a_name_that_is_none_is_refused(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"^model must be one of .*{hint}|^model must be {hint}"):
        analyze(name, TEXTS, max_length=16)


def test_a_model_with_few_positions_reads_as_much_as_it_can(tmp_path: Path) -> None:
    write_folder(tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    longest = checkpoint.architecture.longest
    assert longest < DEFAULT_LENGTH
    found = analyze(checkpoint, ["a graph of tokens " * 100])
    assert found.encoded.token_mask.shape == (1, longest)
    assert found.encoded.truncated.all()
    with pytest.raises(InputError, match="max_length must be from"):
        analyze(checkpoint, TEXTS, max_length=DEFAULT_LENGTH)


@pytest.mark.parametrize("options", [{}, {"dtype": "float32"}])
@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_a_model_measures_the_same_wherever_it_is_computed(
    name: str, options: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip(name)
    write_folder(tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    here = analyze(checkpoint, TEXTS).trace
    there = analyze(checkpoint, TEXTS, skip_special=False, on=backend(name, **options)).trace
    close = 1e-3 if options else 1e-8
    for found, wanted in ((there.tokens, here.tokens), (there.blocks, here.blocks)):
        assert found.keys() == wanted.keys()
        for measure in wanted.keys() - {"rounding", "v_error"}:
            np.testing.assert_allclose(
                found[measure], wanted[measure], rtol=close, atol=close, err_msg=measure
            )
    assert there.tokens["distance"].dtype == options.get("dtype", "float64")
    assert there.blocks["v_upper"].dtype == np.float64
    assert there.inequality is not None
    assert set(there.inequality.ravel()) == {"holds"}
