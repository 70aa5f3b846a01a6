"""What is in a file that describes a block?"""

from pathlib import Path
from typing import Any

import numpy as np

from simulations.instruments.block_file import BlockFile, read_block
from tests.helpers.blocks import random_tokens

N, D, H, K, F = 3, 4, 2, 5, 7
Arrays = dict[str, Any]


def scores() -> Arrays:
    """Return a block that computes its own attention weights, with all that can be given."""
    drawn = iter(range(100))

    def draw(*shape: int) -> Any:
        return random_tokens(next(drawn), *shape)

    return {
        "tokens": draw(N, D),
        "query": draw(H, D, K),
        "key": draw(H, D, K),
        "value_output": draw(H, D, D),
        "ffn_in": draw(D, F),
        "ffn_out": draw(F, D),
        "query_bias": draw(H, K),
        "key_bias": draw(H, K),
        "attention_bias": draw(D),
        "ffn_in_bias": draw(F),
        "ffn_out_bias": draw(D),
        "gain_1": draw(D),
        "shift_1": draw(D),
        "gain_2": draw(D),
        "shift_2": draw(D),
        "ln_eps": np.asarray(1e-3),
        "tau_1": np.asarray(1.5),
        "tau_2": np.asarray(2.5),
        "residual": np.asarray(0.5),
        "mask": np.tri(N, dtype=bool),
        "activation": np.asarray("gelu"),
        "placement": np.asarray("pre"),
    }


def gated() -> Arrays:
    """Return the same with a gate, RMSNorm and a scale of its own in each residual sum."""
    found = scores()
    del found["residual"]
    return found | {
        "ffn_gate": random_tokens(100, D, F),
        "ffn_gate_bias": random_tokens(101, F),
        "norm": np.asarray("rms"),
        "residual_attention": np.asarray(0.8),
        "residual_ffn": np.asarray(1.3),
    }


def placed() -> Arrays:
    """Return the block of `scores` with all that scores may know of positions."""
    return scores() | {
        "score_bias": random_tokens(102, H, N, N),
        "rotary": np.asarray([1.0, 0.5]),
        "rotary_layout": np.asarray("interleaved"),
        "window": np.asarray(2),
        "soft_cap": np.asarray(1.5),
    }


def weights() -> Arrays:
    """Return a block with given attention weights and nothing that may be left out."""
    full = scores()
    names = ("tokens", "value_output", "ffn_in", "ffn_out")
    shares = np.random.default_rng(0).dirichlet(np.ones(N), (H, N))
    return {name: full[name] for name in names} | {"adjacency": shares}


def write(folder: Path, arrays: Arrays) -> Path:
    path = folder / "block.npz"
    np.savez(path, **arrays)
    return path


def read(folder: Path, arrays: Arrays) -> BlockFile:
    return read_block(write(folder, arrays))
