"""Does T5's encoder, whose scores are not scaled, give what transformers gives?"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.models.find import load_checkpoint
from simulations.models.scores import relative_buckets
from simulations.models.tokens import encode
from tests.test_simulations.helpers.against_transformers import TEXTS, differences, random_model
from tests.test_simulations.helpers.tiny_llama import write_decoder
from theory.arrays import InputError

SIZES: dict[str, Any] = {
    "vocab_size": 10,
    "d_model": 12,
    "d_kv": 5,
    "d_ff": 20,
    "num_layers": 2,
    "num_heads": 3,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 6,
}
T5 = {"model_type": "t5", **SIZES}


@pytest.mark.parametrize("inner", ["relu", "gated-gelu", "gated-silu"])
def test_the_encoder_of_t5_gives_what_transformers_gives(inner: str, tmp_path: Path) -> None:
    model = random_model("T5", tmp_path, **SIZES, feed_forward_proj=inner)
    with pytest.warns(UserWarning, match=r"outside the encoder .*'decoder\."):
        checkpoint = load_checkpoint(tmp_path)
    found = differences(checkpoint, encode(checkpoint, TEXTS), model.encoder)
    assert max(found.values()) < 1e-5, found
    feed = checkpoint.blocks[0].feed_forward
    assert feed is not None
    assert feed.gated == inner.startswith("gated")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_positions": 2**31 - 1}, "at most 100000 of them, but has 2147483647"),
        ({"relative_attention_num_buckets": 9}, "an even number of rows"),
        ({"relative_attention_max_distance": 2}, "reaches 2"),
        ({"feed_forward_proj": "gated-sine"}, "feed_forward_proj must be one of"),
        ({"d_kv": 0}, "d_kv must be a whole number"),
        ({"num_heads": 5}, "must have shape"),
    ],
)
def test_settings_that_are_not_computed_here_are_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = {"model_type": "t5", **SIZES, "relative_attention_max_distance": 128} | change
    write_decoder(tmp_path, **T5 | {"relative_attention_max_distance": 128})
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


def test_every_offset_falls_into_the_bucket_that_transformers_gives_it() -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t5 = pytest.importorskip("transformers.models.t5.modeling_t5")
    offsets = torch.arange(-511, 512)
    theirs = t5.T5Attention._relative_position_bucket(-offsets, num_buckets=32, max_distance=128)
    assert np.array_equal(relative_buckets(512), theirs.numpy())
