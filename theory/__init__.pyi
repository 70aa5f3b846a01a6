from theory import (
    blocks,
    bounds,
    extended,
    graphs,
    law,
    local,
    measures,
    proofs,
    spectra,
    statements,
    symbolic,
    theorems,
)
from theory.arrays import Array, InputError

__all__ = [
    "Array",
    "InputError",
    "blocks",
    "bounds",
    "extended",
    "graphs",
    "law",
    "local",
    "measures",
    "proofs",
    "spectra",
    "statements",
    "symbolic",
    "theorems",
]
