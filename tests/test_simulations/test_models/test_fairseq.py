"""Is a file of fairseq read, and what it may not be refused?"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.models.checkpoint import embeddings_of
from simulations.models.families.fairseq import FAIRSEQ_ROBERTA
from simulations.models.find import load_checkpoint
from simulations.models.shapes import expected_shapes
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture
from theory.arrays import InputError

torch = pytest.importorskip("torch")

LETTERS = "ACDE"
MODEL = architecture(vocabulary=9, positions=12, token_types=0, first_position=2)
TENSORS = random_tensors(expected_shapes(FAIRSEQ_ROBERTA, MODEL))
ARGS: dict[str, Any] = {"encoder_layers": 2, "encoder_embed_dim": 8, "encoder_ffn_embed_dim": 12}
ARGS |= {"encoder_attention_heads": 2, "activation_fn": "gelu"}


def write(folder: Path, tensors: Any = TENSORS, *, words: str = LETTERS, **args: Any) -> Path:
    named = {f"decoder.sentence_encoder.{name}": torch.asarray(t) for name, t in tensors.items()}
    named["decoder.lm_head.bias"] = torch.zeros(9)
    kept = {"args": argparse.Namespace(**ARGS | args), "model": named}
    torch.save(kept, folder / "small.pt")
    (folder / "dict.txt").write_text("".join(f"{word} 1\n" for word in words))
    return folder / "small.pt"


def test_weights_and_letters_find_their_places(tmp_path: Path) -> None:
    found = load_checkpoint(write(tmp_path))
    encoded = encode(found, ["CAD", "E"])
    assert encoded.pieces == (("<s>", "C", "A", "D", "</s>"), ("<s>", "E", "</s>"))
    assert encoded.ids[1].tolist() == [0, 7, 2, 1, 1]
    assert found.architecture.longest == 10
    block = found.blocks[1]
    assert block.placement == "post"
    assert block.feed_forward is not None
    assert np.array_equal(block.feed_forward.weight_in, TENSORS["layers.1.fc1.weight"].T)
    first, last = embeddings_of(found).norm, block.norm_2
    for norm, name in ((first, "emb_layer_norm"), (last, "layers.1.final_layer_norm")):
        assert norm.gain is not None
        assert np.array_equal(norm.gain, TENSORS[f"{name}.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder_layers": 3}, "lacks 16 of the"),
        ({"encoder_layers": 1}, "16 tensors that its settings do not account for"),
        ({"encoder_attention_heads": 3}, "3 heads do not fit the width 8"),
        ({"encoder_embed_dim": "8"}, "encoder_embed_dim must be a whole number"),
        ({"activation_fn": "relu"}, "must hold a RoBERTa"),
        ({"encoder_normalize_before": True}, "must hold a RoBERTa"),
        ({"words": "AC"}, r"dict\.txt must list 4 single letters"),
        ({"words": ["A", "C", "D", "EE"]}, r"dict\.txt must list 4 single letters"),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(write(tmp_path, **change))


def test_other_objects_and_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, encoder_layers=Path("/"))
    with pytest.raises(InputError, match="holds more than tensors, which could run code"):
        load_checkpoint(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="must be a file of fairseq"):
        load_checkpoint(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="is damaged"):
        load_checkpoint(path)
    twice = {name: t for name, t in TENSORS.items() if name != "embed_tokens.weight"}
    with pytest.raises(InputError, match="one encoder, but holds 0"):
        load_checkpoint(write(tmp_path, twice))
    write(tmp_path)
    (tmp_path / "dict.txt").unlink()
    with pytest.raises(InputError, match=r"has no dict\.txt"):
        load_checkpoint(path)
