"""Does MPNet, whose attention hears relative positions, give what transformers gives?"""

import warnings
from pathlib import Path

import numpy as np
import pytest

from simulations.models.scores import relative_buckets
from tests.test_simulations.helpers.against_transformers import agrees
from tests.test_simulations.test_models.test_families.sizes import MPNET


def test_mpnet_gives_what_transformers_gives(tmp_path: Path) -> None:
    checkpoint = agrees("MPNet", tmp_path, **MPNET)
    assert checkpoint.architecture.longest == 38
    tables = [block.attention.positions for block in checkpoint.blocks]
    assert tables[0] is tables[1]  # one for all blocks
    assert tables[0] is not None
    assert tables[0].by_offset is not None
    assert tables[0].by_offset.shape == (3, 75)


def test_every_offset_falls_into_the_bucket_that_transformers_gives_it() -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mpnet = pytest.importorskip("transformers.models.mpnet.modeling_mpnet")
    # Ours count by how far the listener stands after the one it listens to.
    offsets = torch.arange(-511, 512)
    theirs = mpnet.MPNetEncoder.relative_position_bucket(-offsets).numpy()
    assert np.array_equal(relative_buckets(512), theirs)
