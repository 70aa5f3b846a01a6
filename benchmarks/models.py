"""How fast are pretrained models measured, beside transformers and the same measures in torch?

The peer is what a careful researcher writes around a model of transformers': eager attention, all
hidden states and attention weights kept, hooks for the std that norms divide by, every measure
batched, in float32; ours is as `analyze` runs, in float64. What depends on the weights alone is
found before the clock runs, on both sides. Assembling v from its factors is left out there, and so
are all ends, verdicts and envelopes.
"""

import importlib.util
from collections.abc import Iterable, Sequence
from functools import partial
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.rows import Row, Size, seconds
from simulations.instruments.batches import by_length, in_order, make_ready, trace_in_batches
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.tokens import Encoded, encode
from theory.arrays import InputError
from theory.bounds.coefficients import WeightNorms

Found = dict[str, Any]
_BATCH = 32  # texts that the peer runs at once; fewer and more are slower
_WORDS: Final = (
    "the cat sat on a mat while rain fell over old house by river and nobody came to see what had "
    "been left there when winter was long people told each other stories about ships"
)


def sentences(number: int, *, words: int) -> list[str]:
    """Return texts of common words; the models here have a token for each."""
    rng, known = np.random.default_rng(0), _WORDS.split()
    return [" ".join(rng.choice(known, words)) for _ in range(number)]


def model_rows(size: Size) -> list[Row]:
    """Measure what is installed: a corpus in MiniLM, and in a long run a long text in SmolLM2."""
    if not all(map(importlib.util.find_spec, ("torch", "transformers", "tokenizers"))):
        return []
    rows = []
    for name, key, number, words, what, goal in (
        ("minilm", "corpus-minilm", 2 * _BATCH, 30, "sentences of 32 tokens, MiniLM", 2.0),
        ("smollm2", "long-smollm2", 1, 1000, "a text of 1,000 tokens, SmolLM2", None),
    ):
        if not size.long:
            continue
        try:
            found = _ratio(name, sentences(number, words=words), tokens=min(words + 2, 1000))
        except InputError:  # not installed, and needed for nothing else
            continue
        ours, theirs = found
        others = {"ours": 1e3 * ours, "transformers + torch": 1e3 * theirs}
        rows.append(
            Row(key, f"{what}, against transformers + torch", theirs / ours, goal, "more",
                others=others)
        )  # fmt: skip
    return rows


def _ratio(name: str, texts: Sequence[str], *, tokens: int) -> tuple[float, float]:
    """Return the processor time of a text, ours and the peer's, as medians of three turns."""
    from simulations.capture.load import load_model

    checkpoint = load_checkpoint(name)
    encoded = encode(checkpoint, texts, max_length=tokens)
    bench = make_ready(checkpoint, skip_special=False, on=None)
    peer = Watched(load_model(name, dtype="float32").model, checkpoint, bench.norms or ())
    batches = by_length if len(texts) > 1 else in_order

    def ours() -> None:
        trace_in_batches(bench, encoded, batches)

    turns = 3 if len(texts) > 1 else 1
    if turns > 1:
        peer.read(encoded.ids[:2])
    times = [(seconds(ours), seconds(partial(_all, peer, encoded))) for _ in range(turns)]
    each = (median(column) / len(texts) for column in zip(*times, strict=True))
    return next(each), next(each)


def _all(peer: "Watched", encoded: Encoded) -> list[Found]:
    starts = range(0, len(encoded.ids), _BATCH)
    return [peer.read(encoded.ids[start : start + _BATCH]) for start in starts]


class Watched:
    """A model of transformers' with hooks on its norms, and what its weights give once."""

    def __init__(self, model: Any, checkpoint: Checkpoint, norms: Iterable[WeightNorms]) -> None:
        import torch

        torch.set_num_threads(1)
        model.set_attn_implementation("eager")
        self._torch, self._model, self._stds = torch, model, []  # type: ignore[var-annotated]
        self._values, self._heads = [], []
        for block, known in zip(checkpoint.blocks, norms, strict=True):
            attention = block.attention
            assert attention.output is not None
            self._values.append(torch.tensor(np.asarray(known.value), dtype=torch.float32))
            output = torch.tensor(np.asarray(attention.output), dtype=torch.float32)
            factor = torch.linalg.qr(output.mT).R
            value = torch.tensor(np.asarray(attention.value), dtype=torch.float32)
            self._heads.append(value @ factor.mT)
        for module in model.modules():
            if "Norm" in type(module).__name__:
                module.register_forward_pre_hook(self._see)

    def _see(self, _: Any, given: Any) -> None:
        self._stds.append(given[0].std(-1, correction=0).amin(-1))

    def read(self, ids: Any) -> Found:
        """Run texts of one length and measure all; (L, b) or (L + 1, b) each."""
        torch = self._torch
        self._stds.clear()
        with torch.inference_mode():
            out = self._model(
                input_ids=torch.as_tensor(ids), output_attentions=True, output_hidden_states=True
            )
            rows = [self._tokens(x) for x in out.hidden_states]
            found = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
            earlier, columns = None, []
            for a, value, heads in zip(out.attentions, self._values, self._heads, strict=True):
                columns.append(self._block(a, earlier, value, heads))
                earlier = a
            found |= {name: torch.stack([row[name] for row in columns]) for name in columns[0]}
        found["std"] = torch.stack(self._stds)
        return {name: values.numpy() for name, values in found.items()}

    def _tokens(self, x: Any) -> Found:
        torch = self._torch
        centred = x - x.mean(-2, keepdim=True)
        shares = (centred * centred).sum(-1)
        energy = shares.sum(-1)
        squares = torch.linalg.eigvalsh(x @ x.mT).clamp(min=0)
        values = squares.sqrt()
        part = values / values.sum(-1, keepdim=True)
        found = {
            "norm": x.norm(dim=(-2, -1)),
            "distance": energy.sqrt(),
            "diameter": torch.cdist(x, x).amax((-2, -1)),
            "effective_rank": torch.exp(torch.special.entr(part).sum(-1)),
            "stable_rank": squares.sum(-1) / squares.amax(-1),
            "participation_rank": squares.sum(-1) ** 2 / (squares * squares).sum(-1),
            "largest_share": shares.amax(-1) / energy,
            "cosine_similarity": self._cosine(x),
        }
        found["relative_distance"] = found["distance"] / found["norm"]
        every = torch.ones_like(shares)
        for name, token in (("first", 0), ("largest", shares.argmax(-1, keepdim=True))):
            keep = every.clone()
            if name == "first":
                keep[:, token] = 0
            else:
                keep.scatter_(-1, token, 0)
            rest, number = x * keep[..., None], x.shape[-2] - 1
            found[f"cosine_similarity_without_{name}"] = self._cosine(rest, number)
            apart = (rest - rest.sum(-2, keepdim=True) / number) * keep[..., None]
            relative = apart.norm(dim=(-2, -1)) / rest.norm(dim=(-2, -1))
            found[f"relative_distance_without_{name}"] = relative
        return found

    def _cosine(self, x: Any, number: int | None = None) -> Any:
        number = x.shape[-2] if number is None else number
        total = (x / x.norm(dim=-1, keepdim=True).clamp(min=1e-30)).sum(-2)
        return ((total * total).sum(-1) - number) / (number * (number - 1))

    def _block(self, a: Any, earlier: Any, value: Any, heads: Any) -> Found:
        torch = self._torch
        centred = a - a.mean(-2, keepdim=True)
        root = self._norm(centred.mT @ centred)
        tau = torch.cdist(a, a, p=1).amax((-2, -1)) / 2
        similar = torch.full_like(root[:, 0], torch.nan)
        if earlier is not None:
            similar = torch.cosine_similarity(a.flatten(1), earlier.flatten(1))
        ratio = (value / root).sqrt()[..., None, None]
        left, right = ((ratio * centred), heads / ratio)
        side = [each.transpose(-3, -2).flatten(-2) for each in (left, right)]
        stacked = [self._norm(each @ each.mT) for each in side]
        return {
            "lambda": root.amax(-1) ** 2,
            "attention_sharp": (root * value).sum(-1),
            "attention_diameter": (tau * value).sum(-1),
            "attention_stacked": stacked[0] * stacked[1],
            "attention_entropy": torch.special.entr(a).sum(-1).mean((-2, -1)),
            "attention_similarity": similar,
        }

    def _norm(self, gram: Any) -> Any:
        return self._torch.linalg.eigvalsh(gram)[..., -1].clamp(min=0).sqrt()
