from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.graphs import (
    GRAPHS,
    MASKS,
    GraphRead,
    graph_by_name,
    mask_by_name,
    read_graph,
)
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Stack

__all__ = [
    "GRAPHS",
    "MASKS",
    "GraphRead",
    "Stack",
    "draw_blocks",
    "draw_tokens",
    "generator",
    "graph_by_name",
    "mask_by_name",
    "read_graph",
]
