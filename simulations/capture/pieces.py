"""What block is it that did this to these tokens?"""

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from simulations.capture.attention import Listening, read_attention, tokens_without_padding
from simulations.capture.compare import Ruler, ruler
from simulations.capture.family import Family
from simulations.capture.feed_forward import read_feed_forward
from simulations.capture.find import listens
from simulations.capture.linear import Heads, read_heads, seen
from simulations.capture.norms import SeenNorm, read_norm
from simulations.capture.placement import (
    Sublayer,
    Wiring,
    find_wiring,
    scaled_attention,
    scaled_feed_forward,
)
from simulations.capture.watch import Call, to_host
from simulations.capture.windows import unfold
from theory.arrays import Floats, InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Reading:
    """One call of one block: its tokens, its attention weights, and the block as arrays, float64.

    ``reason`` says why the block theorem does not apply, "" where it does; ``invariant`` says
    whether equal tokens stay equal. ``block`` is None where a block attends to another text; it
    lacks a feed-forward sublayer that is only measured, whose input and output are ``measured``.
    ``step`` is what the block does to the tokens in float64. ``errors`` has, for each piece, how
    far what was read is from the model's own numbers, relative to a token's largest.

    Shapes: tokens, output (b, n, d), adjacency (b, h, n, n), present boolean (b, n) or None
    """

    name: str
    tokens: Floats
    output: Floats
    adjacency: Floats | None
    present: Any
    block: Block | None
    wiring: Wiring | None
    measured: Sublayer | None
    step: BlockStep | None = None
    reason: str = ""
    invariant: bool = True
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """The largest of the errors; NaN where nothing was compared."""
        return max(self.errors.values(), default=float("nan"))


def read_call(call: Call, number: int, family: Family, present: Any) -> Reading:
    """Return what one call of a block says of it; every piece is compared with what the model did.

    Raises: InputError, with block and piece, if what was read gives other numbers than the model's
    """
    rule, tokens, output = _ends(call, number, present)
    if family.cross and call.part.inside.get(family.cross) is not None:
        reason = "it attends to another text, whose tokens move this one's off M"
        heard = _listening(call, family, tokens, rule, {}).adjacency if call.weights else None
        return _bare(call, tokens, output, heard, rule, reason)
    if family.windows:
        call = unfold(call, family.norms[0], family.value, rule)
    errors: dict[str, float] = {}
    scales = [_only_parameter(call, name) for name in family.scales] or [np.ones(1), np.ones(1)]
    inner, own = _around_attention(call, family, tokens, rule)
    listening = _listening(call, family, tokens, rule, errors)
    names = (family.value, family.output)
    heads = read_heads(call, names, listening.adjacency, inner, own, rule, errors)
    norms = [read_norm(call, name, rule, errors) for name in family.norms]
    attention = scaled_attention(_attention(heads, listening), scales[0])
    sublayer, passed = _feed_forward(call, family, scales[1], tokens, rule, errors)
    wiring = find_wiring(
        tokens,
        output,
        Sublayer(inner, own * scales[0]),
        passed,
        [_padded(norm, tokens, rule) for norm in norms if norm is not None],
        rule,
    )
    block = wiring.block(attention, sublayer)
    reason = listening.reason
    if family.measured:
        what = type(call.part.inside[family.measured]).__name__
        more = f"{family.measured} ({what}) is only measured: no Lipschitz constant of it is known"
        reason = f"{reason}; {more}" if reason else more
    step = None
    if not reason:
        step = apply_block(block, tokens, adjacency=listening.adjacency)
        errors["block"] = rule.require(
            "the whole block", rule.error(step.output, output), limit=rule.whole
        )
    return Reading(
        name=call.part.name,
        tokens=tokens,
        output=output,
        adjacency=listening.adjacency,
        present=present,
        block=block,
        wiring=wiring,
        measured=_shared(passed, wiring) if family.measured else None,
        step=step,
        reason=reason and f"{rule.where}: {reason}",
        invariant=not listening.reason,
        errors=errors,
    )


def read_tokens(call: Call, number: int, family: Family, present: Any) -> Reading:
    """Return the tokens and attention weights of a call alone: nothing is read of the block.

    Raises: InputError if no attention weights are seen, or tokens that count listen to padding
    """
    rule, tokens, output = _ends(call, number, present)
    if family.windows:
        call = unfold(call, family.norms[0], family.value, rule)
    heard = _listening(call, family, tokens, rule, {}).adjacency
    return _bare(call, tokens, output, heard, rule, "its weights are not read, as asked for")


def _ends(call: Call, number: int, present: Any) -> tuple[Ruler, Floats, Floats]:
    """Return what compares the numbers of a block, and its tokens before and after."""
    dtypes = {call.dtype, *(each.dtype for each in call.part.module.parameters())}
    rule = ruler(f"block {number} ({call.part.name})", dtypes, present)
    assert call.output is not None
    before, after = (tokens_without_padding(each, rule) for each in (call.tokens, call.output))
    for what, tokens in (("enter", before), ("leave", after)):
        if not np.isfinite(tokens).all():
            raise InputError(
                f"{rule.where}: the tokens that {what} it must be finite, but some are not: do the "
                "weights hold NaN, or is half precision too little?"
            )
    return rule, before, after


def _bare(
    call: Call, tokens: Floats, output: Floats, heard: Floats | None, rule: Ruler, reason: str
) -> Reading:
    return Reading(
        name=call.part.name,
        tokens=tokens,
        output=output,
        adjacency=heard,
        present=rule.present,
        block=None,
        wiring=None,
        measured=None,
        reason=f"{rule.where}: {reason}",
        invariant=False,
    )


def _around_attention(
    call: Call, family: Family, tokens: Floats, rule: Ruler
) -> tuple[Floats, Floats]:
    """Return what attention listened to and what it gave, (b, n, d)."""
    whole = listens(call.part, family) == family.value  # torch's own attention calls no part of it
    inner = seen(call, family.value, rule)[0]
    own = seen(call, family.value if whole else family.output, rule)[1]
    return (
        tokens_without_padding(_like(inner, tokens), rule),
        tokens_without_padding(_like(own, tokens), rule),
    )


def _listening(
    call: Call, family: Family, tokens: Floats, rule: Ruler, errors: dict[str, float]
) -> Listening:
    """Return those weights, of all that were seen, that give what the model's attention gave."""
    *others, last = read_attention(call, rule)
    for listening in others:
        inner, own = _around_attention(call, family, tokens, rule)
        names = (family.value, family.output)
        with contextlib.suppress(InputError):
            read_heads(call, names, listening.adjacency, inner, own, rule, errors)
            return listening
    return last


def _attention(heads: Heads, listening: Listening) -> Attention:
    """Return the sublayer; what value biases add is the same for all tokens, if rows sum alike."""
    each = listening.sums[:, None, None] * heads.value_bias[:, None] @ heads.output
    bias = heads.output_bias if listening.reason else each.sum(axis=(0, 1)) + heads.output_bias
    return Attention(None, None, heads.value, heads.output, bias=bias)


def _feed_forward(
    call: Call,
    family: Family,
    scale: Floats,
    tokens: Floats,
    rule: Ruler,
    errors: dict[str, float],
) -> tuple[FeedForward | None, Sublayer | None]:
    """Return the sublayer, None if it is only measured, and what it was given and gave."""
    names = (family.up, family.down) if family.up else (family.measured, family.measured)
    if names[0] is None or names[1] is None:
        return None, None
    sublayer = None
    if family.up:
        sublayer = scaled_feed_forward(read_feed_forward(call, family, rule, errors), scale)
    pair = (seen(call, names[0], rule)[0], seen(call, names[1], rule)[1] * scale)
    given, gave = (tokens_without_padding(_like(each, tokens), rule) for each in pair)
    return sublayer, Sublayer(given, gave)


def _shared(passed: Sublayer | None, wiring: Wiring) -> Sublayer | None:
    """Return a sublayer with the factor on what it gave, unless a norm at its end has it."""
    if passed is None or "2_out" in wiring.norms:
        return passed
    return passed._replace(gave=passed.gave * wiring.share[1])


def _padded(norm: SeenNorm, tokens: Floats, rule: Ruler) -> SeenNorm:
    given, gave = (
        tokens_without_padding(_like(each, tokens), rule) for each in (norm.given, norm.gave)
    )
    return replace(norm, given=given, gave=gave)


def _like(array: Floats, tokens: Floats) -> Floats:
    """Return tokens that a module got in another shape as (b, n, d)."""
    return array.reshape(*tokens.shape[:2], -1)


def _only_parameter(call: Call, name: str) -> Floats:
    found = [to_host(each) for each in call.part.inside[name].parameters()]
    return found[0] if len(found) == 1 else np.ones(1)
