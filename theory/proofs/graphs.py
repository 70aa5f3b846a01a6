"""Which graphs are the smallest that refute the claim of Cai and Wang, and how is that proved?

By looking at all of them, which the checker does again from nothing: the proof is empty.
"""

from typing import Any

from theory.arrays import InputError
from theory.proofs.certificates import seal
from theory.proofs.checkers.smallest_counterexample import MOST_NODES, census


def smallest_counterexample(*, nodes: int) -> dict[str, Any]:
    """Return the certificate that counts the refuting graphs with up to so many nodes.

    Raises: InputError if there are too few nodes, or too many to look at all graphs
    """
    if not 2 <= nodes <= MOST_NODES:
        raise InputError(f"nodes must be 2 to {MOST_NODES}, but is {nodes}")
    found = census(nodes)
    smallest = next(filter(None, found), [])
    claim = {
        "refuting": [len(graphs) for graphs in found],
        "smallest": [sorted(map(list, graph)) for graph in smallest],
    }
    return seal("smallest-counterexample", claim, {})
