"""Which files do the questions name: blocks, graphs, texts and sweeps, good ones and bad ones?"""

from pathlib import Path
from typing import Any

import numpy as np

_SWEEP_FILE = """
name = "small"
quantities = ["distance", "cosine_similarity", "coefficients", "effective_rank"]
stack = { tokens = 8, width = 8, heads = 2, ffn_width = 16 }
axes = { value_gain = { logspace = [0.5, 2.0, 3] }, norm = ["layer", "rms"] }
zipped = [{ depth = [2, 4], mask = ["full", "causal"] }]
sobol = { points = 2, axes = { tau = { low = 0.5, high = 2.0, scale = "log" } } }
seeds = { first = 3, count = 2 }
"""
_LAW_FILE = """
quantities = ["law"]
stack = { depth = 20, tokens = 6, width = 8, heads = 2, ffn_width = 16, initial = "near-consensus" }
axes = { placement = ["post", "pre"], value_gain = [0.5, 1.5] }
"""
_FAILING_FILE = """
quantities = ["law"]
stack = { depth = 3, tokens = 4, width = 8, heads = 2, ffn_width = 0, norm = "none" }
axes = { value_gain = [1.0, 1e200] }
"""
_WRONG_FILE = """
nmae = "x"
stack = { tokns = 8, heads = 3 }
axes = { value_gain = [], depth = [1.5] }
seeds = { count = 0 }
"""


def write_inputs(folder: Path) -> None:
    """Write all files that the questions name, the same bytes each time."""
    texts = {
        "sweep.toml": _SWEEP_FILE,
        "law.toml": _LAW_FILE,
        "failing.toml": _FAILING_FILE,
        "wrong.toml": _WRONG_FILE,
        "texts.txt": "A short one.\nThe film was long, and it was not good at all.\nÄpfel, 7 €!\n",
        "corpus.txt": "".join(f"Sentence {i} of many, {i * i} in all.\n" for i in range(70)),
        "empty.txt": "",
        "weights.txt": "0.5 0.5 0 0\n0.2,0.2,0.3,0.3\n0 1 1 2\n1 0 0 1\n",
        "row.txt": "1 0 1\n",
        "words.txt": "a b\nc d\n",
        "negative.txt": "1 -1\n1 1\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    ring = np.eye(8, dtype=bool) | np.roll(np.eye(8, dtype=bool), 1, axis=0)
    np.save(folder / "mask.npy", ring)
    for name, arrays in _blocks().items():
        np.savez(folder / f"{name}.npz", **arrays)
    whole = (folder / "plain.npz").read_bytes()
    (folder / "truncated.npz").write_bytes(whole[: len(whole) // 2])
    with (folder / "bare.npz").open("wb") as file:
        np.save(file, np.eye(3))


def _blocks() -> dict[str, dict[str, Any]]:
    """Return the arrays of each block: a plain one with something changed."""
    rng = np.random.default_rng(20)
    n, d, h, f = 6, 8, 2, 12

    def draw(*shape: int, scale: float = 1.0) -> Any:
        return scale * rng.standard_normal(shape)

    plain = {
        "tokens": draw(n, d),
        "query": draw(1, d, 4, scale=d**-0.5),
        "key": draw(1, d, 4, scale=d**-0.5),
        "value_output": draw(1, d, d, scale=d**-0.5),
        "ffn_in": draw(d, f, scale=d**-0.5),
        "ffn_out": draw(f, d, scale=f**-0.5),
    }
    heads = {"query": draw(h, d, 4), "key": draw(h, d, 4), "value_output": draw(h, d, d, scale=0.3)}
    biases = {
        "query_bias": draw(1, 4),
        "key_bias": draw(1, 4),
        "attention_bias": draw(d),
        "ffn_in_bias": draw(f),
        "ffn_out_bias": draw(d),
    }
    gains = {name: draw(d) for name in ("gain_1", "shift_1", "gain_2", "shift_2")}
    scores = {"query", "key"}
    bare = {name: array for name, array in plain.items() if name not in scores}
    given = {**bare, "adjacency": rng.dirichlet(np.ones(n), size=(1, n))}
    causal = np.tril(np.ones((n, n), dtype=bool))
    off = given["adjacency"] * (1 + 1e-7)
    nothing = {"ffn_in": np.zeros((d, f)), "ffn_out": np.zeros((f, d))}
    close = 10 * np.linspace(-1, 1, d) + 0.1 * draw(n, d)
    even = {**bare, **nothing, "tokens": close, "adjacency": np.full((1, n, n), 1 / n)}
    names = ("relu", "gelu", "gelu_tanh", "silu", "tanh", "identity")
    single = {name: array.astype(np.float32) for name, array in (plain | biases).items()}
    later = np.random.default_rng(21)  # so that the blocks that were first here stay as they were
    gate = {"ffn_gate": d**-0.5 * later.standard_normal((d, f)), "activation": "silu"}
    flat = {**plain, "tokens": np.concatenate([np.full((1, d), 3.0), plain["tokens"][1:]])}
    wrong_values = plain["tokens"].copy()
    wrong_values[2, 3] = np.nan
    numbers = {"ln_eps": 1e-5, "tau_1": 1.5, "tau_2": 0.7, "residual": 0.5}
    return {
        "plain": plain,
        "causal": {**plain, "mask": causal},
        "biases": plain | biases,
        "gains": plain | gains,
        **{name: {**plain, **biases, "activation": name} for name in names},
        "pre": {**plain, **gains, "placement": "pre"},
        "heads": plain | heads,
        "adjacency": given,
        "single": single,
        "not-stochastic-quite": {**given, "adjacency": off},
        "equal": {**plain, "tokens": np.tile(np.linspace(-1.0, 1.0, d), (n, 1))},
        "rank-one": {**plain, "tokens": np.outer(np.arange(1.0, n + 1), draw(d))},
        "tiny": {**plain, "tokens": 1e-200 * plain["tokens"]},
        "huge": {**plain, "tokens": 1e150 * plain["tokens"]},
        "no-residual": {**plain, "residual": 0.0},
        "no-ffn": plain | nothing,
        "scales": plain | numbers,
        "averaging": even,
        "gated": plain | gate,
        "gated-biases": {**plain, **biases, **gate, "ffn_gate_bias": later.standard_normal(f)},
        "parallel": {**plain, **gains, "placement": "parallel"},
        "two-residuals": {**plain, "residual_attention": 0.5, "residual_ffn": -1.5},
        "rms": {**plain, "norm": "rms"},
        "flat-token": flat,
        "no-values": {name: plain[name] for name in ("tokens", "query", "key")},
        "no-scores": bare,
        "misspelt": {**plain, "tokns": plain["tokens"]},
        "whole": {**plain, "tokens": np.ones((n, d), dtype=int)},
        "nan": {**plain, "tokens": wrong_values},
        "one-token": {**plain, "tokens": plain["tokens"][:1]},
        "lengths": {**plain, "tokens": draw(n, d + 1)},
        "rows": {**given, "adjacency": 1.1 * given["adjacency"]},
        "deaf": {**plain, "mask": np.zeros((n, n), dtype=bool)},
        "sandwich": {**plain, "placement": "sandwich"},
        "both": {**plain, "adjacency": given["adjacency"]},
        "tau": {**plain, "tau_1": 0.0},
        "activation-unknown": {**plain, "activation": "geluu"},
    }
