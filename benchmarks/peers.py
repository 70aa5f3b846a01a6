"""What would a careful researcher write: the same survey, batched, in torch or in JAX?

The baseline that counts. Seeds and cells are batch axes, weights are drawn once for all cells of
a seed, largest singular values come from `eigvalsh` of the smaller Gram matrix, and each library
is used as its own users would: torch eager or through torch.compile, JAX by vmap and scan under
one jit. Tried and slower, one thread, AVX2: JAX with the generator "rbg" (three times as long as
its own to draw), and with products of queries, keys and values apart.

A peer takes a `Work` and has ``survey(seeds, measured=...)``, from draw to readings, and
``read(layers, tokens)``, the readings of weights that somebody else drew.
"""

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
Found = Mapping[str, Any]
"""Readings: tokens after each block and of each block, (L, seeds, cells)."""


@dataclass(frozen=True)
class Work:
    """Post-LN stacks with ReLU in float32: their shape, and the value gain of each cell."""

    depth: int
    tokens: int
    width: int
    heads: int
    ffn_width: int
    gains: tuple[float, ...] = (1.0,)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """The weights of a layer, queries, keys and values side by side."""
        d, f = self.width, self.ffn_width
        return {"mixing": (d, 3 * d), "output": (d, d), "in": (d, f), "out": (f, d)}


class Peer(Protocol):
    """What the benchmark asks of a peer."""

    name: str

    def survey(self, seeds: range, *, measured: bool) -> Found:
        """Draw, run and read: the mean cosine alone, or all measures."""

    def read(self, layers: Sequence[Mapping[str, Any]], tokens: Any) -> Found:
        """Run and read weights (s, ., .) a layer and tokens (s, n, d) that were drawn before."""

    def measured(self, attention: Any, tokens: Any, weights: Mapping[str, Any]) -> Found:
        """Read lambda of (b, h, n, n), d_M of (b, n, d) and s of weights (s, ., .); one cell."""


def available(work: Work, *, compiled: bool = True) -> list[Peer]:
    """Return the peers whose library is installed, each with one thread."""
    found: list[Peer] = []
    if importlib.util.find_spec("torch"):
        found.append(Torch(work))
        if compiled:
            found.append(Torch(work, compiled=True))
    if importlib.util.find_spec("jax"):
        found.append(Jax(work))
    return found


class Torch:
    """Batched torch; a chunk of seeds at a time, so that a layer stays in the cache."""

    def __init__(self, work: Work, *, compiled: bool = False, together: int = 32) -> None:
        import torch

        torch.set_num_threads(1)
        self.name = "torch.compile" if compiled else "torch"
        self._torch, self._work = torch, work
        self._stacks = max(1, together // len(work.gains))  # seeds at once
        self._gains = torch.tensor(work.gains)[:, None, None]
        wrap: Callable[..., Any] = partial(torch.compile, dynamic=False) if compiled else _same
        self._block, self._measures = wrap(self._plain_block), wrap(self._plain_measures)
        self._cosine = wrap(self._plain_cosine)

    def survey(self, seeds: range, *, measured: bool) -> Found:
        """Draw a chunk of seeds at a time, from its first seed, and read it."""
        torch, work, parts = self._torch, self._work, []
        sizes = work.shapes.items()
        with torch.inference_mode():
            for start in seeds[:: self._stacks]:
                s = min(self._stacks, seeds.stop - start)
                rng = torch.Generator().manual_seed(start)
                draw = partial(torch.randn, generator=rng)
                layers = (
                    {name: draw((s, *size)).mul_(size[0] ** -0.5) for name, size in sizes}
                    for _ in range(work.depth)
                )
                parts.append(self._run(layers, draw((s, work.tokens, work.width)), measured))
        return {name: torch.cat([part[name] for part in parts], 1).numpy() for name in parts[0]}

    def read(self, layers: Sequence[Mapping[str, Any]], tokens: Any) -> Found:
        """Run and read given weights."""
        torch = self._torch
        given = ({name: torch.asarray(w) for name, w in layer.items()} for layer in layers)
        with torch.inference_mode():
            return {k: v.numpy() for k, v in self._run(given, torch.asarray(tokens), True).items()}

    def measured(self, attention: Any, tokens: Any, weights: Mapping[str, Any]) -> Found:
        """Read given arrays."""
        a, x, *each = map(self._torch.asarray, (attention, tokens, *weights.values()))
        s = self._norms(dict(zip(weights, each, strict=True)))[:, 0]
        return {"lambda": self._coupling(a), "distance": self._distance(x), "s": s}

    def _run(self, layers: Any, x: Any, measured: bool) -> dict[str, Any]:
        x = x[:, None].repeat(1, len(self._gains), 1, 1)
        rows = []
        for w in layers:
            x, a, sigma_1, sigma_2 = self._block(x, w)
            rows.append(self._measures(x, a, sigma_1, sigma_2, w) if measured else self._cosine(x))
        return {name: self._torch.stack([row[name] for row in rows]) for name in rows[0]}

    def _plain_block(self, x: Any, w: Any) -> tuple[Any, ...]:
        (s, c, n, d), h = x.shape, self._work.heads
        k = d // h
        mixing = (x.reshape(s, c * n, d) @ w["mixing"]).view(s, c, n, 3, h, k)
        query, key, value = mixing.permute(3, 0, 1, 4, 2, 5)
        a = self._torch.softmax((query * k**-0.5) @ key.mT, dim=-1)
        heard = (a @ value).transpose(2, 3).reshape(s, c * n, d)
        y, sigma_1 = self._norm(x + self._gains * (heard @ w["output"]).view(s, c, n, d))
        hidden = (y.view(s, c * n, d) @ w["in"]).relu_()
        x, sigma_2 = self._norm(y + (hidden @ w["out"]).view(s, c, n, d))
        return x, a, sigma_1, sigma_2

    def _norm(self, x: Any) -> tuple[Any, Any]:
        """Return normalised tokens and the smallest std; the kernel has 1 / std already."""
        out, _, inverse = self._torch.native_layer_norm(x, x.shape[-1:], None, None, 0.0)
        return out, 1 / inverse.amax((-2, -1))

    def _plain_cosine(self, x: Any) -> dict[str, Any]:
        n = x.shape[-2]
        total = (x / x.norm(dim=-1, keepdim=True)).sum(-2)
        return {"cosine_similarity": ((total * total).sum(-1) - n) / (n * (n - 1))}

    def _plain_measures(self, x: Any, a: Any, sigma_1: Any, sigma_2: Any, w: Any) -> dict[str, Any]:
        found = self._plain_cosine(x)
        found["distance"] = self._distance(x)
        found["relative_distance"] = found["distance"] / x.norm(dim=(-2, -1))
        found["lambda"], found["s"] = self._coupling(a), self._norms(w)
        found["sigma_1"], found["sigma_2"] = sigma_1, sigma_2
        attention = found["lambda"].sqrt() * self._work.heads * found["s"]
        found["v"] = (1 + found["s"] ** 2) * (1 + attention) / (sigma_1 * sigma_2)
        return found

    def _distance(self, x: Any) -> Any:
        return (x - x.mean(-2, keepdim=True)).norm(dim=(-2, -1))

    def _coupling(self, a: Any) -> Any:
        centred = a - a.mean(-2, keepdim=True)
        return self._largest(centred.mT @ centred).amax(-1)

    def _norms(self, w: Any) -> Any:
        """Return s; V O has the norm of V L with L L^T = O O^T, of k by k."""
        s, d, _ = w["output"].shape
        h = self._work.heads
        value = w["mixing"][..., 2 * d :].reshape(s, d, h, d // h).transpose(1, 2)
        output = w["output"].reshape(s, h, d // h, d)
        factor = value @ self._torch.linalg.cholesky(output @ output.mT)
        heads = self._largest(factor.mT @ factor).amax(-1)
        ffn = self._torch.stack([w["in"] @ w["in"].mT, w["out"].mT @ w["out"]])
        return self._torch.maximum(
            heads.sqrt()[:, None] * self._gains[:, 0, 0], self._largest(ffn).amax(0).sqrt()[:, None]
        )

    def _largest(self, gram: Any) -> Any:
        return self._torch.linalg.eigvalsh(gram)[..., -1]


def _same(work: Callable[..., Any]) -> Callable[..., Any]:
    return work


class Jax:
    """JAX: one jitted program for a chunk of seeds, a scan over the layers, vmap over the rest."""

    name = "jax"

    def __init__(self, work: Work, *, together: int = 32) -> None:
        os.environ.setdefault("XLA_FLAGS", _ONE_THREAD)  # read when JAX is first used
        import jax

        self._jax, self._work = jax, work
        self._gains = jax.numpy.asarray(work.gains, dtype="float32")
        self._stacks = max(1, together // len(work.gains))
        self._drawn = jax.jit(self._draw_and_run, static_argnums=(1, 2))
        self._given = jax.jit(partial(self._scan, measured=True))

    def survey(self, seeds: range, *, measured: bool) -> Found:
        """Draw a chunk of seeds at a time, from its first seed, and read it."""
        parts = []
        for start in seeds[:: self._stacks]:
            key = self._jax.random.key(start)
            parts.append(self._drawn(key, min(self._stacks, seeds.stop - start), measured))
        return {name: np.concatenate([part[name] for part in parts], 1) for name in parts[0]}

    def read(self, layers: Sequence[Mapping[str, Any]], tokens: Any) -> Found:
        """Run and read given weights."""
        stacked = {name: np.stack([layer[name] for layer in layers]) for name in layers[0]}
        found = self._given(stacked, self._jax.numpy.asarray(tokens))
        return {name: np.asarray(values) for name, values in found.items()}

    def measured(self, attention: Any, tokens: Any, weights: Mapping[str, Any]) -> Found:
        """Read given arrays."""
        vmap, w = self._jax.vmap, {name: self._jax.numpy.asarray(x) for name, x in weights.items()}
        s = self._jax.numpy.maximum(*vmap(self._norms)(w))
        found = {"lambda": vmap(self._coupling)(attention), "s": s}
        return found | {"distance": vmap(self._distance)(tokens)}

    def _draw_and_run(self, key: Any, s: int, measured: bool) -> dict[str, Any]:
        normal, work = self._jax.random.normal, self._work
        first, *keys = self._jax.random.split(key, 1 + work.depth)

        def draw(key: Any) -> dict[str, Any]:
            parts = self._jax.random.split(key, len(work.shapes))
            sizes = work.shapes.items()
            return {
                name: normal(part, (s, *size)) * size[0] ** -0.5
                for part, (name, size) in zip(parts, sizes, strict=True)
            }

        tokens = normal(first, (s, work.tokens, work.width))
        return self._scan(self._jax.numpy.stack(keys), tokens, draw=draw, measured=measured)

    def _scan(self, layers: Any, x: Any, *, measured: bool, draw: Any = _same) -> dict[str, Any]:
        """Go through the layers' keys or weights: x (s, n, d) -> (L, s, c)."""
        vmap = self._jax.vmap
        over_cells = vmap(partial(self._block, measured=measured), in_axes=(0, 0, None))
        over_seeds = vmap(over_cells, in_axes=(0, None, 0))

        def layer(x: Any, given: Any) -> tuple[Any, Any]:
            w = draw(given)
            x, found = over_seeds(x, self._gains, w)
            if measured:
                heads, ffn = vmap(self._norms)(w)
                s = self._jax.numpy.maximum(heads[:, None] * self._gains, ffn[:, None])
                attention = found["lambda"] ** 0.5 * self._work.heads * s
                v = (1 + s**2) * (1 + attention) / (found["sigma_1"] * found["sigma_2"])
                found = found | {"s": s, "v": v}
            return x, found

        start = self._jax.numpy.repeat(x[:, None], len(self._gains), axis=1)
        found: dict[str, Any] = self._jax.lax.scan(layer, start, layers)[1]
        return found

    def _block(self, x: Any, gain: Any, w: Any, *, measured: bool) -> tuple[Any, dict[str, Any]]:
        """Send tokens (n, d) of one stack through one block, and read them."""
        jnp, (n, d), h = self._jax.numpy, x.shape, self._work.heads
        k = d // h
        query, key, value = jnp.transpose((x @ w["mixing"]).reshape(n, 3, h, k), (1, 2, 0, 3))
        a = self._jax.nn.softmax((query * k**-0.5) @ key.mT, axis=-1)
        heard = jnp.swapaxes(a @ value, 0, 1).reshape(n, d)
        y, sigma_1 = self._norm(x + gain * (heard @ w["output"]))
        x, sigma_2 = self._norm(y + jnp.maximum(y @ w["in"], 0) @ w["out"])
        size = jnp.linalg.norm
        total = (x / size(x, axis=-1, keepdims=True)).sum(0)
        found = {"cosine_similarity": (total @ total - n) / (n * (n - 1))}
        if measured:
            found["distance"] = self._distance(x)
            found["relative_distance"] = found["distance"] / size(x)
            found["lambda"] = self._coupling(a)
            found["sigma_1"], found["sigma_2"] = sigma_1, sigma_2
        return x, found

    def _norm(self, x: Any) -> tuple[Any, Any]:
        centred = x - x.mean(-1, keepdims=True)
        std = (centred * centred).mean(-1, keepdims=True) ** 0.5
        return centred / std, std.min()

    def _distance(self, x: Any) -> Any:
        return self._jax.numpy.linalg.norm(x - x.mean(0))

    def _coupling(self, a: Any) -> Any:
        centred = a - a.mean(-2, keepdims=True)
        return self._largest(centred.mT @ centred).max()

    def _norms(self, w: Any) -> tuple[Any, Any]:
        """Return the largest norm of the heads and of the feed-forward matrices of one seed."""
        jnp, (d, _), h = self._jax.numpy, w["output"].shape, self._work.heads
        value = jnp.swapaxes(w["mixing"][:, 2 * d :].reshape(d, h, d // h), 0, 1)
        output = w["output"].reshape(h, d // h, d)
        factor = value @ jnp.linalg.cholesky(output @ output.mT)
        heads = self._largest(factor.mT @ factor).max()
        ffn = jnp.stack([w["in"] @ w["in"].T, w["out"].T @ w["out"]])
        return heads**0.5, self._largest(ffn).max() ** 0.5

    def _largest(self, gram: Any) -> Any:
        return self._jax.numpy.linalg.eigvalsh(gram)[..., -1]
