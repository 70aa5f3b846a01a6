"""What do the instruments read on a random stack?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from simulations.instruments.trace import Trace, trace_centred
from simulations.machine.backends import Backend, backend
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.room import require_room
from simulations.stacks.stack import Stack
from theory.arrays import Array, InputError, require_mask
from theory.blocks.weights import Block
from theory.bounds.implications import convergence
from theory.bounds.supremum import suprema
from theory.statements.instances import member

_MOST_SEEDS = 1_000_000  # more is rather a slip of the keyboard; see `simulations.engine.surveys`


def simulate(
    stack: Stack,
    *,
    seeds: int = 1,
    seed: int = 0,
    mask: Array | None = None,
    on: Backend | None = None,
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> Trace:
    """Draw a stack and its tokens once for every seed and measure them at every layer.

    The runs are seeds ``seed``, ``seed + 1``, ...; each one's numbers do not depend on how many
    there are. Deviations from consensus are carried in centred coordinates, so that the
    distance is right far below round-off.

    ``on_layer`` is told before every layer how many are done, of how many.

    Shapes: mask boolean (n, n), True where a token may listen; the trace's batch is (seeds,)
    Dtype:  that of the backend ``on``, None being NumPy with float64; verdicts are float64
    Raises: InputError for a seed or a number of seeds out of range, or tokens that leave the
            range of the dtype
    """
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, but is {seeds}")
    if seeds > _MOST_SEEDS:
        raise InputError(f"seeds must be at most {_MOST_SEEDS:,}, but is {seeds:,}")
    require_room(stack, seeds=seeds)
    on = backend() if on is None else on
    if mask is not None:
        require_mask("mask", mask, stack.tokens, stack.tokens)
        mask = on.move(mask)
    runs = range(seed, seed + seeds)
    tokens = on.move(draw_tokens(stack, seeds=runs))
    blocks = _told(on.move_each(draw_blocks(stack, seeds=runs)), stack.depth, on_layer)
    trace = trace_centred(blocks, tokens, mask=mask)
    if not stack.tied:
        return trace
    block = next(iter(draw_blocks(stack, seeds=runs)))
    found = (
        convergence(suprema(member(block, (i,)), stack.tokens, mask=mask)) for i in range(seeds)
    )
    return replace(trace, repeats=tuple(found))


def _told(
    blocks: Iterable[Block], depth: int, on_layer: Callable[[int, int], None]
) -> Iterator[Block]:
    for layer, block in enumerate(blocks):
        on_layer(layer, depth)
        yield block


def ln_std_mode(stack: Stack) -> str:
    """Name how the LayerNorm std comes about: "true", "fixed", "tau" or "driven".

    fixed: a constant in the place of the std; tau: the std times a constant; driven: the true
    std, moved by gains, residual scale or biases that are not the plain ones; true: the true
    std of a plain stack.
    """
    if stack.norm == "none":
        return "none"
    if stack.fixed_std is not None:
        return "fixed"
    if stack.tau != 1:
        return "tau"
    plain = Stack()
    drivers = (
        *("value_gain", "ffn_gain", "norm_gain", "bias_std"),
        *("residual", "residual_attention", "residual_ffn"),
    )
    driven = any(getattr(stack, name) != getattr(plain, name) for name in drivers)
    return "driven" if driven else "true"
