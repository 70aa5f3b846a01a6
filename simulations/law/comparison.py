"""What do a simulation, the exact law and the block theorem say beside each other, on a graph?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from simulations.law.differences import Differences, simulate_differences
from simulations.law.networks import Network, draw_network
from simulations.law.windows import Window, is_ordered, late_window, limit_coefficients, read_window
from simulations.machine.words import told
from simulations.numbers import Numbers
from simulations.stacks.seeds import generator
from simulations.stacks.stack import MOST_LAYERS
from theory.arrays import Array, InputError, to_numpy
from theory.blocks.weights import Block
from theory.law.orbits import find_attractor, host_token
from theory.law.transverse import LawReport, mask_walk, transverse_rates, weak_components
from theory.records import brief_repr

_SHORTEST, _LONGEST, _LEFT = 400, 4000, 1e-4  # see `_enough`


@brief_repr
@dataclass(frozen=True, eq=False)
class Comparison:
    """Measured rate, exact law and theorem for one network on one graph, in the linear regime.

    ``equal`` is the first layers: there the law is its linear part at that depth, whatever
    transients there are. ``late`` is the last layers of a long run, to be set beside the limit
    ``law.rate``; None where no difference survives that long. ``along_limit`` are v_sharp and v,
    geometric means over the orbit that the limit is taken on. ``transient`` is how much is left
    when ``late`` begins of the next mode, (1 - gap)^first, or of the token's way to its fixed
    point, if that is slower; 1 without a gap.
    """

    law: LawReport
    equal: Window
    late: Window | None
    limit_v_sharp: float
    limit_v: float
    limit_v_sup: float
    transient: float

    @property
    def ordering(self) -> Literal["holds", "fails"]:
        """Whether law <= sharp theorem <= theorem, in the limit and at equal depth."""
        limit = is_ordered(self.law.rate - self.law.error, self.limit_v_sharp, self.limit_v)
        return "holds" if limit and self.equal.ordered else "fails"

    @property
    def equal_depth_gap(self) -> float:
        """|simulated / linear - 1| at equal depth, to be compared with ``equal.error``."""
        return _relative(self.equal.simulated, self.equal.linear)

    @property
    def limit_gap(self) -> float:
        """|simulated / law - 1| in the late window; NaN where there is none."""
        return math.nan if self.late is None else _relative(self.late.simulated, self.law.rate)


def law_beside_simulation(
    network: Network,
    walk: Array,
    *,
    token: Array | None = None,
    deviations: Array | None = None,
    seed: int = 0,
    depth: int = 24,
    layers: int | None = None,
    law_layers: int = 2000,
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Simulate infinitely small differences on a graph, beside the law and the block theorem.

    A `Stack` is drawn with ``seed``, and so are its tokens: their mean is where the synchronised
    orbit starts, unless a ``token`` is given; other networks need one. ``deviations`` are drawn
    too. The simulation runs ``layers`` deep (several blocks: to their end); its first ``depth``
    layers are compared at equal depth, its last quarter with the limit. If not given, it is 400,
    or as many as the law's gap needs to leave 1e-4 of the next mode when that quarter begins, up
    to 4000. ``law_layers`` is how long the law is averaged where the token never settles.
    ``on_layer`` is told how many layers of the simulation are done, of how many.

    M is spanned by the indicators of the graph's components; each is run by itself, and the
    slowest is what is reported.

    Shapes: walk boolean mask (n, n), or row-stochastic, which then stands in the place of
            attention's weights; token (d,), deviations (n, d)
    Raises: InputError if a token is missing, numbers do not fit, or there is nothing transverse
    """
    if layers is not None and not 1 <= layers <= MOST_LAYERS:
        raise InputError(f"layers must be from 1 to {MOST_LAYERS:,}, but is {told(layers)}")
    given = to_numpy(walk)
    matrix = mask_walk(walk)
    n = len(matrix)
    blocks, start = draw_network(network, seed=seed, n=n)
    if token is not None:
        start = host_token(token)
    if start is None:
        raise InputError("token must be given where the network is no Stack, which draws its own")
    if deviations is None:
        noise = generator(seed, "law deviations", n, start.size)
        deviations = noise.standard_normal((n, start.size))
    apart = to_numpy(deviations).astype(np.float64)
    if apart.shape != (n, start.size):
        raise InputError(f"deviations must have shape {(n, start.size)}, but have {apart.shape}")
    law = transverse_rates(blocks, matrix, start, depth=depth, layers=law_layers)
    if not len(law.rates):
        raise InputError("walk must have a component of two tokens, but each token is alone")
    if layers is None:
        layers = _enough(_slowest_left(law))
    attractor = find_attractor(blocks, start) if isinstance(blocks, Block) else None

    runs: list[tuple[Differences, Numbers]] = []
    parts = [part for part in weak_components(matrix) if len(part) > 1]
    for part in parts:
        rows = np.ix_(part, part)
        run = simulate_differences(
            blocks,
            given[rows],
            start,
            apart[list(part)],
            layers=layers,
            judged=depth,
            on_layer=partial(_on_layer, on_layer, len(runs) * layers, len(parts) * layers),
        )
        runs.append((run, matrix[rows]))
    period = 1 if attractor is None else attractor.period
    settles = attractor is not None
    equal = [read_window(blocks, run, part, 0, min(depth, run.depth)) for run, part in runs]
    late = [late_window(blocks, run, part, period, settles) for run, part in runs]
    slowest = [window for window in late if window is not None]
    limits = [limit_coefficients(blocks, run, part, attractor) for run, part in runs]
    end = max(slowest, key=lambda window: window.simulated, default=None)
    return Comparison(
        law=law,
        equal=max(equal, key=lambda window: window.simulated),
        late=end,
        limit_v_sharp=max(sharp for sharp, _, _ in limits),
        limit_v=max(v for _, v, _ in limits),
        limit_v_sup=max(sup for *_, sup in limits),
        transient=_slowest_left(law) ** end.first if end is not None else 1.0,
    )


def _on_layer(tell: Callable[[int, int], None], before: int, total: int, layer: int) -> None:
    tell(before + layer, total)


def _slowest_left(law: LawReport) -> float:
    """Return by which factor a layer the slowest transient vanishes, that of the token included.

    Without a gap, or where the token's growth hides how fast its direction settles, none does.
    """
    if law.gap == 0:
        return 1.0
    settling = law.along if law.token_growth == 1 else 0.0
    return max(1 - law.gap, min(settling, 1.0))


def _enough(left: float) -> int:
    """Return how deep to simulate, so that little of a transient is left for the last quarter."""
    wanted = math.log(_LEFT) / math.log(left) if 0 < left < 1 else 0.0
    return min(max(_SHORTEST, math.ceil(wanted / 0.75)), _LONGEST)


def _relative(one: float, other: float) -> float:
    if one == other:
        return 0.0
    return abs(one / other - 1) if other else math.inf
