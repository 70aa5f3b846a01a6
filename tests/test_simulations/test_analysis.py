"""Texts through a checkpoint: named, found in a folder or loaded already, it is the same one."""

from pathlib import Path

import numpy as np
import pytest

from simulations.analysis import analyze
from simulations.checkpoints import embed, load_checkpoint
from simulations.trace import trace_blocks
from tests.test_simulations.test_pretrained_folder import write_folder
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
