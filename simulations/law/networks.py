"""Which blocks is the law of a network about, and which token does it start from?"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from simulations.numbers import Numbers
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.arrays import InputError
from theory.blocks.weights import Block
from theory.law.orbits import host_block
from theory.statements.instances import member

Network: TypeAlias = Stack | Block | Iterable[Block]
"""A random stack to be drawn; one block, tied for ever; or several blocks as they are."""


def draw_network(
    network: Network, *, seed: int = 0, n: int | None = None
) -> tuple[Block | list[Block], Numbers | None]:
    """Return a network's block or blocks, and the mean of the tokens that a `Stack` draws.

    Raises: InputError if a stack is about another number of tokens than ``n``
    """
    if isinstance(network, Block):
        return host_block(network), None
    if not isinstance(network, Stack):
        return [host_block(block) for block in network], None
    if n is not None and network.tokens != n:
        raise InputError(f"the stack must have the graph's {n} tokens, but has {network.tokens}")
    seeds = range(seed, seed + 1)
    drawn: Iterator[Block] = (member(block, (0,)) for block in draw_blocks(network, seeds=seeds))
    token = draw_tokens(network, seeds=seeds)[0].mean(axis=0)
    return (next(drawn) if network.tied else list(drawn)), token
