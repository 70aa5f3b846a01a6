"""How do norms, sublayers and the residual stream of a block stand together?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from simulations.capture.compare import Ruler
from simulations.capture.norms import SeenNorm
from theory.arrays import Floats, InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward, Placement
from theory.records import brief_repr

_PLAIN = Norm(kind="none")


@brief_repr
class Sublayer(NamedTuple):
    """What a sublayer was given and gave, any scale on its features included: (b, n, d)."""

    given: Floats
    gave: Floats


@brief_repr
@dataclass(frozen=True, eq=False)
class Wiring:
    """How a block is put together, as found: `block` makes one of the sublayers' weights.

    ``residual`` has the factor on the stream in each sum, ``share`` that on what was added.
    """

    placement: Placement
    norms: dict[str, SeenNorm]
    residual: tuple[float, ...]
    share: tuple[float, ...]

    def block(self, attention: Attention, sublayer: FeedForward | None) -> Block:
        """Return the block; factors on what a sublayer gave go into its last matrix or norm."""
        norms = {name: seen.norm for name, seen in self.norms.items()}
        shares = dict(zip(("1", "2"), self.share, strict=False))
        for number, share in shares.items():
            out = f"{number}_out"
            if share == 1:
                continue
            if out in norms:
                norms[out] = _scaled_norm(norms[out], share, self.norms[out].given.shape[-1])
            elif number == "1":
                attention = scaled_attention(attention, share)
            elif sublayer is not None:
                sublayer = scaled_feed_forward(sublayer, share)
        first, *second = self.residual
        return Block(
            attention,
            sublayer,
            placement=self.placement,
            residual_attention=None if first == 1 else first,
            residual_ffn=None if not second or second[0] == 1 else second[0],
            norm_1=norms.get("1", _PLAIN),
            norm_2=norms.get("2", _PLAIN),
            norm_1_out=norms.get("1_out", _PLAIN),
            norm_2_out=norms.get("2_out", _PLAIN),
        )


def find_wiring(
    tokens: Floats,
    output: Floats,
    attention: Sublayer,
    feed_forward: Sublayer | None,
    norms: Sequence[SeenNorm],
    ruler: Ruler,
) -> Wiring:
    """Return how a block is put together, by what is the sum of what.

    Raises: InputError if these pieces do not make the block
    """
    found: dict[str, SeenNorm] = {}

    def remember(name: str, norm: SeenNorm | None) -> SeenNorm | None:
        if norm is not None:
            found[name] = norm
        return norm

    def after(number: str, sublayer: Sublayer) -> Floats:
        norm = remember(f"{number}_out", _first(norms, ruler, given=sublayer.gave))
        return sublayer.gave if norm is None else norm.gave

    last = _first(norms, ruler, gave=output)
    if last is not None:  # a norm ends the block
        return _post(tokens, attention, feed_forward, norms, last, ruler)
    if not _exactly(attention.given, tokens, ruler):
        norm = _first(norms, ruler, given=tokens, gave=attention.given)
        if remember("1", norm) is None:
            raise _odd(
                ruler, "attention listens neither to the block's tokens nor to a norm of them"
            )
    one = after("1", attention)
    if feed_forward is None:
        sums = _require_sum(output, (tokens, one), ruler, "the block's output")
        return Wiring(_pre(found), found, sums[:1], sums[1:])
    two = after("2", feed_forward)
    norm = remember("2", _first(norms, ruler, gave=feed_forward.given))
    stream = feed_forward.given if norm is None else norm.given
    if ruler.kept(one).any() and _exactly(stream, tokens, ruler):
        sums = _require_sum(output, (tokens, one, two), ruler, "the block's output")
        if {"1_out", "2_out"} & found.keys():
            raise _odd(ruler, "sublayers beside each other have norms at their ends")
        return Wiring("parallel", found, sums[:1], sums[1:])
    sums = _require_sum(stream, (tokens, one), ruler, "what goes into the feed-forward sublayer")
    ends = _require_sum(output, (stream, two), ruler, "the block's output")
    return Wiring(_pre(found), found, (sums[0], ends[0]), (sums[1], ends[1]))


def _post(
    tokens: Floats,
    attention: Sublayer,
    feed_forward: Sublayer | None,
    norms: Sequence[SeenNorm],
    last: SeenNorm,
    ruler: Ruler,
) -> Wiring:
    if not _exactly(attention.given, tokens, ruler):
        raise _odd(ruler, "a norm stands before attention and another ends the block")
    if feed_forward is None:
        sums = _require_sum(last.given, (tokens, attention.gave), ruler, "what is normalised last")
        return Wiring("post", {"1": last}, sums[:1], sums[1:])
    norm = _first(norms, ruler, gave=feed_forward.given)
    summed = feed_forward.given if norm is None else norm.given
    what = "what goes into the feed-forward sublayer"
    sums = _require_sum(summed, (tokens, attention.gave), ruler, what)
    what = "what is normalised last"
    ends = _require_sum(last.given, (feed_forward.given, feed_forward.gave), ruler, what)
    found = {"2": last} if norm is None else {"1": norm, "2": last}
    return Wiring("post", found, (sums[0], ends[0]), (sums[1], ends[1]))


def _pre(found: dict[str, Any]) -> Placement:
    return "sandwich" if {"1_out", "2_out"} & found.keys() else "pre"


def _first(
    norms: Sequence[SeenNorm],
    ruler: Ruler,
    *,
    given: Floats | None = None,
    gave: Floats | None = None,
) -> SeenNorm | None:
    """Return the norm that was given or gave these very numbers."""
    for norm in norms:
        fits = given is None or _exactly(norm.given, given, ruler)
        if fits and (gave is None or _exactly(norm.gave, gave, ruler)):
            return norm
    return None


def _exactly(one: Floats, other: Floats, ruler: Ruler) -> bool:
    """Whether it is the same tensor: one that was handed on, not computed again."""
    return one.shape == other.shape and np.array_equal(ruler.kept(one), ruler.kept(other))


def _require_sum(
    target: Floats, parts: tuple[Floats, ...], ruler: Ruler, what: str
) -> tuple[float, ...]:
    """Return the factors with which the parts add up to the target: ones if these will do."""
    if ruler.same(sum(parts), target):  # type: ignore[arg-type]
        return (1.0,) * len(parts)
    columns = np.stack([ruler.kept(part).ravel() for part in parts], axis=-1)
    factors = np.linalg.lstsq(columns, ruler.kept(target).ravel(), rcond=None)[0]
    factors = np.where(np.abs(factors - 1) <= ruler.limit, 1.0, factors)
    if ruler.same(np.einsum("k,kbnd->bnd", factors, np.stack(parts)), target):
        return tuple(float(factor) for factor in factors)
    raise _odd(ruler, f"{what} is no sum of the stream and what the sublayers gave")


def _odd(ruler: Ruler, told: str) -> InputError:
    return InputError(
        f"{ruler.where}: placement: {told}. Does the Family name all norms and scales of the "
        "block, and does the block do no more than its attention and feed-forward sublayers?"
    )


def scaled_attention(attention: Attention, share: float | Floats) -> Attention:
    """Return an attention whose output is multiplied, feature by feature or as a whole."""
    assert attention.output is not None  # a captured one has both matrices
    bias = None if attention.bias is None else attention.bias * share
    return replace(attention, output=attention.output * share, bias=bias)


def scaled_feed_forward(sublayer: FeedForward, share: float | Floats) -> FeedForward:
    """Return a sublayer whose output is multiplied, feature by feature or as a whole."""
    bias = None if sublayer.bias_out is None else sublayer.bias_out * share
    return replace(sublayer, weight_out=sublayer.weight_out * share, bias_out=bias)


def _scaled_norm(norm: Norm, share: float, d: int) -> Norm:
    gain: Floats = np.ones(d) if norm.gain is None else np.asarray(norm.gain)
    shift = None if norm.shift is None else norm.shift * share
    return replace(norm, gain=gain * share, shift=shift)
