"""How fast do small differences between tokens vanish or grow, on this graph, exactly?

Around equal tokens attention is the plain random walk P on the mask. Each eigenvalue mu of P has
its mode, with the rate rho(mu) of `theory.law.rates`; M attracts if and only if the rates
of all modes transverse to it are below 1. It is a master stability function: the stack gives the
curve, the graph the points on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from theory.arrays import Array, InputError
from theory.blocks.weights import Block
from theory.graphs.chains import closed_classes, spectrum
from theory.graphs.conversions import random_walk, require_square
from theory.law.orbits import Matrix, host_array, host_token
from theory.law.rates import ModeRates, mode_rates
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class LawReport:
    """The rates of all modes transverse to M, the slowest first; see `ModeRates` for the terms.

    M is spanned by the indicators of the graph's ``components``: where tokens of one component
    are equal they stay equal, so it is invariant, and its rank is their number. ``undecided``
    modes have eigenvalue 1 although they are transverse: a component with several closed
    classes, whose transient tokens hear more than one of them. ``along`` is rho(1), the rate of
    changes inside M: at most 1 at an attracting fixed point, and no growth of the token. Where
    ``token_growth`` is above 1 the scores grow with the token, and with them what the law leaves
    out: it then describes smaller and smaller distances only. ``gap``
    says by which part of the rate all others are below the largest: 0 where a complex pair
    turns, where an eigenvalue is defective or nearly, or where the token never settles.

    Shapes: eigenvalues, rates, errors, finite_rates, component (k,), k = n - rank
    """

    eigenvalues: Matrix
    rates: Matrix
    errors: Matrix
    finite_rates: Matrix
    component: Matrix
    methods: tuple[str, ...]
    depth: int
    token_growth: float
    along: float
    gap: float
    components: tuple[tuple[int, ...], ...]
    undecided: int

    @property
    def rank(self) -> int:
        """The rank of M: 1 for consensus."""
        return len(self.components)

    @property
    def rate(self) -> float:
        """The largest rate: that of d_M in the long run. 0 where there is nothing transverse."""
        return float(self.rates[0]) if len(self.rates) else 0.0

    @property
    def error(self) -> float:
        """The error of `rate`."""
        return float(self.errors[0]) if len(self.rates) else 0.0

    @property
    def finite_rate(self) -> float:
        """The largest growth of a single mode over the first ``depth`` layers, a layer."""
        return float(self.finite_rates.max()) if len(self.rates) else 0.0

    @property
    def slowest(self) -> complex | None:
        """The eigenvalue whose mode is the last to vanish."""
        return complex(self.eigenvalues[0]) if len(self.rates) else None

    @property
    def relative_rate(self) -> float:
        """The rate of d_M / |H|."""
        return self.rate / self.token_growth

    @property
    def attraction(self) -> Literal["attracts", "repels", "undecided"]:
        """Whether M attracts from nearby: max rho < 1, beyond its error bar."""
        if self.rate + self.error < 1:
            return "attracts"
        return "repels" if self.rate - self.error > 1 else "undecided"


def mask_walk(walk: Array) -> Matrix:
    """Return the random walk of equal tokens as float64: that of a boolean mask, or one given.

    Raises: InputError if it is no square matrix or a token listens to nobody
    """
    plain = host_array("walk", walk)
    require_square("walk", plain)
    if plain.ndim != 2:
        raise InputError(f"walk must be one matrix (n, n), but has shape {plain.shape}")
    out: Matrix = random_walk(plain) if plain.dtype == np.bool_ else plain.astype(np.float64)
    return out


def weak_components(walk: Array) -> tuple[tuple[int, ...], ...]:
    """Return the sets of tokens that no edge leaves or enters, by their first token."""
    edges = csr_array((mask_walk(walk) > 0).astype(np.int8))
    _, label = connected_components(edges, directed=False)
    _, first = np.unique(label, return_index=True)
    return tuple(tuple(np.flatnonzero(label == label[i]).tolist()) for i in np.sort(first))


def transverse_eigenvalues(walk: Array) -> Matrix:
    """Return the eigenvalues of one component's walk without the 1 of its constant mode.

    A 1 that is left belongs to a further closed class; see `LawReport`.

    Shapes: walk (n, n) -> (n - 1,)
    """
    values = spectrum(mask_walk(walk))
    return np.delete(values, int(np.argmin(np.abs(values - 1.0))))


def transverse_rates(
    blocks: Block | Iterable[Block],
    walk: Array,
    token: Array,
    *,
    depth: int = 24,
    layers: int = 2000,
) -> LawReport:
    """Return the rate of every mode transverse to M, for a stack on a graph.

    One block is a stack of tied weights and has rates in the limit; several are a stack as it
    is: see `theory.law.rates.mode_rates`. All heads listen by the same walk. For a walk
    with Jordan blocks, or nearly, the limit is reached late: `theory.law.cocycle` has what
    happens before.

    Shapes: walk boolean mask (n, n) or row-stochastic (n, n); token (d,), which all tokens are
            equal to, or (components, d), one for each component of the graph
    Raises: InputError as `mode_rates` and `theory.graphs.chains.spectrum` do
    Source: pecora1998, for the idea of a master stability function
    """
    matrix = mask_walk(walk)
    components = weak_components(matrix)
    if getattr(token, "ndim", 0) == 2 and token.shape[0] == len(components):
        tokens = [host_token(token[i, :]) for i in range(len(components))]
    else:
        tokens = [host_token(token)] * len(components)
    if not isinstance(blocks, Block) and len(components) > 1:
        blocks = list(blocks)  # read once for each component

    found: list[ModeRates] = []
    spectra: list[Matrix] = []
    undecided = 0
    for tokens_of, start in zip(components, tokens, strict=True):
        part = matrix[np.ix_(tokens_of, tokens_of)]
        spectra.append(transverse_eigenvalues(part))
        undecided += len(closed_classes(part).closed) - 1
        wanted = np.append(spectra[-1], 1.0)
        found.append(mode_rates(blocks, wanted, start, depth=depth, layers=layers))
    along = max(float(rates.rates[-1]) for rates in found)
    growth = float(np.max([rates.token_growth for rates in found]))
    label = np.repeat(np.arange(len(found)), [len(values) for values in spectra])
    every = np.concatenate([part.rates[:-1] for part in found])
    order = np.argsort(-every, kind="stable")
    return LawReport(
        eigenvalues=np.concatenate(spectra)[order],
        rates=every[order],
        errors=np.concatenate([part.errors[:-1] for part in found])[order],
        finite_rates=np.concatenate([part.finite_rates[:-1] for part in found])[order],
        component=label[order],
        methods=tuple(rates.method for rates in found),
        depth=found[0].depth,
        token_growth=growth,
        along=along,
        gap=_gap(matrix, found, spectra),
        components=components,
        undecided=undecided,
    )


def _gap(walk: Matrix, found: list[ModeRates], spectra: list[Matrix]) -> float:
    """Return by which part of the largest rate the next one is smaller, all modes together."""
    if any(rates.attractor is None for rates in found):
        return 0.0
    values = np.concatenate(spectra)
    rates = np.concatenate([part.rates[:-1] for part in found])
    seconds = np.concatenate([part.seconds[:-1] for part in found])
    if not len(rates) or rates.max() == 0:
        return 0.0
    top = int(np.argmax(rates))
    copies = np.abs(values - values[top]) <= 1e-9
    # Copies of one eigenvalue act alike, unless they stand in a Jordan block.
    smallest = np.linalg.svd(walk - values[top] * np.eye(len(walk)), compute_uv=False)
    if np.sum(smallest <= 1e-7) < copies.sum():
        return 0.0
    behind = np.append(rates[~copies], seconds[top])
    if len(found) > 1:  # other components have other tokens, and so other rates at this eigenvalue
        behind = np.append(behind, rates[copies & (np.abs(rates - rates[top]) > 1e-9)])
    return float(1 - behind.max() / rates[top])
