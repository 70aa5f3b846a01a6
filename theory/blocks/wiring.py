"""In which order does a block use its sublayers, its norms and its residual stream?

Told once, for all that is sent through a block: tokens, slopes, errors, sizes, symbols.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Generic, NamedTuple, Protocol, TypeVar

from theory.blocks.norms import Norm
from theory.blocks.weights import Block, require_placement
from theory.records import brief_repr

S = TypeVar("S")


def _as_it_is(state: S) -> S:
    return state


@brief_repr
class Reading(NamedTuple, Generic[S]):
    """What the steps of a block do to a state of one kind.

    ``norm`` gets a norm's name, "1", "2", "1_out" or "2_out", and the state. ``add`` gets the
    sublayer's number, "1" or "2", the stream and what the sublayer made; the residual scale is
    its business. ``both`` gets what two sublayers made of one stream. ``branch`` makes of the
    stream what goes into a sublayer, or into the norm before it.
    """

    norm: Callable[[str, S], S]
    attend: Callable[[S], S]
    feed_forward: Callable[[S], S]
    add: Callable[[str, S, S], S]
    both: Callable[[S, S], S]
    branch: Callable[[S], S] = _as_it_is


class _Order(Protocol):
    """Sends the stream through sublayers, by number "1" or "2", and what belongs to them."""

    def __call__(
        self, sublayers: Mapping[str, Callable[[S], S]], stream: S, does: Reading[S]
    ) -> S: ...


def _post(sublayers: Mapping[str, Callable[[S], S]], stream: S, does: Reading[S]) -> S:
    for number, sublayer in sublayers.items():
        change = sublayer(does.branch(stream))
        stream = does.norm(number, does.add(number, stream, change))
    return stream


def _pre(sublayers: Mapping[str, Callable[[S], S]], stream: S, does: Reading[S]) -> S:
    for number, sublayer in sublayers.items():
        change = sublayer(does.norm(number, does.branch(stream)))
        stream = does.add(number, stream, change)
    return stream


def _sandwich(sublayers: Mapping[str, Callable[[S], S]], stream: S, does: Reading[S]) -> S:
    for number, sublayer in sublayers.items():
        change = sublayer(does.norm(number, does.branch(stream)))
        stream = does.add(number, stream, does.norm(f"{number}_out", change))
    return stream


def _parallel(sublayers: Mapping[str, Callable[[S], S]], stream: S, does: Reading[S]) -> S:
    changes = [
        sublayer(does.norm(number, does.branch(stream))) for number, sublayer in sublayers.items()
    ]
    return does.add("1", stream, reduce(does.both, changes))


_ORDERS: dict[str, _Order] = {
    "post": _post,
    "pre": _pre,
    "sandwich": _sandwich,
    "parallel": _parallel,
}
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
    sublayers = {"1": does.attend, "2": does.feed_forward}
    if not feed_forward:
        del sublayers["2"]
    return _ORDERS[placement](sublayers, stream, does)


def norms_used(placement: str, *, feed_forward: bool = True) -> tuple[str, ...]:
    """Return which norms a block has, in the order in which it comes to them.

    Raises: InputError for an unknown placement
    """
    names: list[str] = []

    def norm(name: str, _: None) -> None:
        names.append(name)

    nothing = Reading[None](norm, _as_it_is, _as_it_is, lambda *_: None, lambda *_: None)
    read_placement(placement, None, nothing, feed_forward=feed_forward)
    return tuple(names)


def block_norms(block: Block) -> dict[str, Norm]:
    """Return the norms that a block uses, by name, in the order in which it comes to them."""
    both = block.feed_forward is not None
    return {name: block.norm(name) for name in norms_used(block.placement, feed_forward=both)}
