"""In which order does a block use its sublayers, its norms and its residual stream?

Told once, for all that is sent through a block: tokens, slopes, errors, sizes, symbols.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from theory.blocks.norms import Norm
from theory.blocks.weights import Block, require_placement

S = TypeVar("S")


def _as_it_is(state: S) -> S:
    return state


class Reading(NamedTuple, Generic[S]):
    """What the steps of a block do to a state of one kind.

    ``norm`` gets a norm's name, "1", "2", "1_out" or "2_out", and the state. ``add`` gets the
    stream and what a sublayer made; the residual scale is its business. ``branch`` makes of the
    stream what goes into a sublayer, or into the norm before it.
    """

    norm: Callable[[str, S], S]
    attend: Callable[[S], S]
    feed_forward: Callable[[S], S]
    add: Callable[[S, S], S]
    branch: Callable[[S], S] = _as_it_is


class _Order(Protocol):
    """Sends the stream through one sublayer, number "1" or "2", and what belongs to it."""

    def __call__(
        self, number: str, sublayer: Callable[[S], S], stream: S, does: Reading[S]
    ) -> S: ...


def _post(number: str, sublayer: Callable[[S], S], stream: S, does: Reading[S]) -> S:
    return does.norm(number, does.add(stream, sublayer(does.branch(stream))))


def _pre(number: str, sublayer: Callable[[S], S], stream: S, does: Reading[S]) -> S:
    return does.add(stream, sublayer(does.norm(number, does.branch(stream))))


def _sandwich(number: str, sublayer: Callable[[S], S], stream: S, does: Reading[S]) -> S:
    change = sublayer(does.norm(number, does.branch(stream)))
    return does.add(stream, does.norm(f"{number}_out", change))


_ORDERS: dict[str, _Order] = {"post": _post, "pre": _pre, "sandwich": _sandwich}
"""By the names of `theory.blocks.weights.PLACEMENTS`: a new placement is one entry more."""


def read_through(block: Block, stream: S, does: Reading[S]) -> S:
    """Send a state through a block: return what the reading makes of it at the end."""
    both = block.feed_forward is not None
    return read_placement(block.placement, stream, does, feed_forward=both)


def read_placement(placement: str, stream: S, does: Reading[S], *, feed_forward: bool = True) -> S:
    """Send a state through any block of a placement, with or without a feed-forward sublayer.

    Raises: InputError for an unknown placement
    """
    require_placement(placement)
    order = _ORDERS[placement]
    stream = order("1", does.attend, stream, does)
    return order("2", does.feed_forward, stream, does) if feed_forward else stream


def norms_used(placement: str, *, feed_forward: bool = True) -> tuple[str, ...]:
    """Return which norms a block has, in the order in which it comes to them.

    Raises: InputError for an unknown placement
    """
    names: list[str] = []

    def norm(name: str, _: None) -> None:
        names.append(name)

    nothing = Reading[None](norm, _as_it_is, _as_it_is, lambda stream, _: stream)
    read_placement(placement, None, nothing, feed_forward=feed_forward)
    return tuple(names)


def block_norms(block: Block) -> dict[str, Norm]:
    """Return the norms that a block uses, by name, in the order in which it comes to them."""
    both = block.feed_forward is not None
    return {name: block.norm(name) for name in norms_used(block.placement, feed_forward=both)}
