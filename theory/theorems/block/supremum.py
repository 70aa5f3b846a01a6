"""How large is v, and where are the tokens, after any number of the same block? (derived here)"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import ClassVar

import numpy as np

from theory.arrays import Array, Floats, constant, eps, namespace, to_numpy
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.bounds.block_rounding import block_rounding, coefficient_bounds
from theory.bounds.coefficients import Coefficients, block_coefficients
from theory.bounds.supremum import Suprema, Supremum, suprema
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.instances import map_arrays, member
from theory.statements.sizes import FLAG, Choice, Exponent, Length
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.input import WEIGHT_SIZES, WEIGHTS, attention_weights
from theory.theorems.common import flag


@brief_repr
@dataclass(frozen=True, eq=False)
class Passed:
    """Tokens (*b, n, d) that have passed ``passed`` times through a block, which meet it again."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d"}

    block: Block
    tokens: Array
    passed: int = 0

    @cached_property
    def step(self) -> BlockStep:
        """What the block does to the tokens next; all listen to all."""
        return apply_block(self.block, self.tokens)

    @cached_property
    def coefficients(self) -> Coefficients:
        """The coefficient v and its parts on these tokens."""
        return block_coefficients(self.block, self.step)

    @cached_property
    def found(self) -> list[Suprema]:
        """What is known of every member's block."""
        return _suprema_of(self.block, self.tokens, self.passed)

    @cached_property
    def before(self) -> tuple[Array, Array]:
        """The centre (*b, d) and the radius (*b,) of the ball that the tokens lie in."""
        balls = [_ball(each, self.passed) for each in self.found]
        return self._laid_out([c for c, _ in balls]), self._laid_out([r for _, r in balls])

    @cached_property
    def after(self) -> list[Supremum]:
        """For every member what is known of v on the ball, and of the tokens that leave."""
        return [each.bounds[min(self.passed, len(each.bounds) - 1)] for each in self.found]

    def read(self, what: Callable[[Supremum], Floats | float]) -> Array:
        """Return a number or an array of every member's bound, batch axes first."""
        return self._laid_out([what(each) for each in self.after])

    def _laid_out(self, values: list[Floats | float]) -> Array:
        batch = tuple(self.tokens.shape[:-2])
        inner = np.shape(values[0])
        return constant(np.reshape(np.asarray(values), batch + inner), like=self.tokens)


def _suprema_of(block: Block, tokens: Array, passed: int) -> list[Suprema]:
    """Return the bounds for every member, in float64 whatever the digits of the arrays."""

    def plain(array: Array, _: tuple[str, ...]) -> Floats:
        rounded = getattr(array, "rounded", None)  # arrays of more digits
        return to_numpy(array) if rounded is None else np.asarray(rounded())

    host, n = map_arrays(plain, block), tokens.shape[-2]
    members = product(*map(range, tuple(tokens.shape[:-2])))
    return [suprema(member(host, index), n, most=passed + 1) for index in members]


def _ball(found: Suprema, passed: int) -> tuple[Floats, float]:
    """Return where tokens are after so many blocks; a radius of -1 says anywhere."""
    reached = min(passed, len(found.bounds) - 1)
    ball = found.bounds[max(reached - 1, 0)].ball
    free = reached == 0 or not ball.bounded
    return ball.centre, -1.0 if free else ball.radius


def _outside_the_ball(at: Passed) -> Array:
    """By how much the farthest token is outside; the centre and d + 4 roundings are forgiven."""
    xp = namespace(at.tokens)
    centre, radius = at.before
    far = xp.max(frobenius_norm((at.tokens - centre[..., None, :])[..., None, :]), axis=-1)
    slack = (at.tokens.shape[-1] + 4) * eps(at.tokens) * frobenius_norm(at.tokens)
    return xp.where(radius >= 0, far - radius - slack, -1.0)


def _not_post(at: Passed) -> Array:
    return flag(at.block.placement != "post", like=at.tokens[..., 0, 0])


def _v_rounding(at: Passed) -> Array:
    """How far the computed v may be above the true one; and tokens outside by their rounding.

    These change a std by their slack, (d + 4) eps |H|, times |r| + sum |V| and so on: no more
    than what a std may be off by its own rounding, which the ends of v allow for.
    """
    ends = coefficient_bounds(at.block, at.tokens, at.step, at.coefficients)
    return 2 * (at.coefficients.v - ends.v_lower)


def _reach(at: Passed) -> Array:
    """How far the farthest token is from the next ball's centre."""
    xp = namespace(at.tokens)
    centre = at.read(lambda each: each.ball.centre)
    away = at.step.output - centre[..., None, :]
    return xp.max(frobenius_norm(away[..., None, :]), axis=-1)


def _reach_rounding(at: Passed) -> Array:
    """The block's own rounding, twice for tokens that are outside by theirs."""
    own = block_rounding(at.block, at.tokens, at.step, 0 * at.coefficients.v)
    size = frobenius_norm(at.step.output)
    return 2 * own + (at.tokens.shape[-1] + 4) * eps(at.tokens) * size


def _build(sizes: Chosen, params: Params) -> Passed:
    """An eps keeps every bound finite; tokens are drawn into the ball by x / (1 + |x|)."""
    xp = namespace(params["tokens"])
    size = 10.0 ** sizes["bias_scale"]
    biased = sizes["biased"]

    def norm(i: int) -> Norm:
        return Norm(
            kind=sizes["kind"],
            shift=params[f"shift_{i}"] if biased else None,
            eps=10.0 ** sizes["ln_eps"],
            tau=10.0 ** (sizes["tau"] / 4),
            fixed_std=2.0 ** sizes["fixed_std"] if sizes.get("fixed_std") else None,
        )

    attention = attention_weights(params, sizes)
    bias = size * params["bias"]
    ffn = FeedForward(
        params["weight_in"],
        params["weight_out"],
        bias_out=bias if biased else None,
        activation=sizes["activation"],
    )
    attention = Attention(
        attention.query,
        attention.key,
        attention.value,
        attention.output,
        bias=bias if biased else None,
    )
    block = Block(attention, ffn if sizes["ffn"] else None, norm(1), norm(2))
    at = Passed(block, params["tokens"], sizes["passed"])
    centre, radius = at.before
    length = xp.sqrt(xp.sum(params["tokens"] ** 2, axis=-1, keepdims=True))
    inside = centre[..., None, :] + radius[..., None, None] * params["tokens"] / (1 + length)
    return Passed(
        block,
        xp.where(radius[..., None, None] >= 0, inside, params["tokens"]),
        sizes["passed"],
    )


def _outside() -> Passed:
    """Tokens that cancel a bias, where those that have passed a block carry it."""
    unit, zero = np.eye(3), np.zeros((1, 3, 1))
    bias = 30 * np.asarray([1.0, 0.0, -1.0])
    block = Block(Attention(zero, zero, 0.5 * unit[None], bias=bias), None, Norm(eps=1e-6))
    tokens = -bias / 1.5 - np.asarray([[0.1, 0.0, -0.1], [0.2, 0.0, -0.2]])
    return Passed(block, tokens, 3)


_IN_BALL = Hypothesis("every token lies in the ball of tokens that have passed", _outside_the_ball)
_POST = Hypothesis("the block is post-LN", _not_post)
_ALL_NORMS = Domain[Passed](
    sizes={
        **{name: size for name, size in WEIGHT_SIZES.items() if name != "listening"},
        "passed": Length(0, 4, typical=2),
        "kind": Choice(("layer", "rms", "none")),
        "ln_eps": Exponent(-12, 0, typical=-12),
        "tau": Exponent(-4, 4),
        "fixed_std": Exponent(-3, 3),
        "bias_scale": Exponent(0, 2),
        **dict.fromkeys(("biased", "ffn"), FLAG),
    },
    free={
        **{name: free for name, free in WEIGHTS.items() if name != "weights"},
        "query_bias": Free("matrix", ("heads", "head_width"), typical="zeros"),
        "bias": Free("vector", ("features",), typical="zeros"),
        **dict.fromkeys(("shift_1", "shift_2"), Free("vector", ("features",), typical="zeros")),
    },
    make=_build,
)
# After a norm that divides by a constant, or none, tokens may be anywhere.
_TRUE_NORMS = replace(
    _ALL_NORMS,
    sizes={
        name: size for name, size in _ALL_NORMS.sizes.items() if name not in ("fixed_std", "kind")
    }
    | {"kind": Choice(("layer", "rms"))},
)
_PROOF = (
    "Averages stay in a ball, so z = r x + attention(x) is within R (|r| + sum |V_k|) of what "
    "becomes of the centre; its distance to zero is at least <c, e> - R sum |M_k e| for every "
    "unit e; a norm projects radially. docs/verdicts.md has the proof."
)

SUPREMUM = Theorem[Passed](
    key="supremum-of-v",
    claim=r"v(H) \le \sup v_k \quad\text{for all } H \text{ in the ball of tokens that have "
    r"passed } k \text{ times}",
    source="derived",
    domain=_ALL_NORMS,
    hypotheses=(_POST, _IN_BALL),
    lhs=lambda at: at.coefficients.v,
    rhs=lambda at: at.read(lambda each: each.v),
    rounding=_v_rounding,
    outside=_outside,
    note=f"{_PROOF} The same balls bound v sharp and v_diameter.",
)
BALL_AFTER_BLOCK = Theorem[Passed](
    key="ball-after-block",
    claim=r"\max_i |F(H)_i - m_{k+1}| \le R_{k+1} \quad\text{if } |H_i - m_k| \le R_k",
    source="derived",
    domain=_TRUE_NORMS,
    hypotheses=(_POST, _IN_BALL),
    lhs=_reach,
    rhs=lambda at: at.read(lambda each: each.ball.radius),
    rounding=_reach_rounding,
    outside=lambda: Passed(_outside().block, 2 * _outside().tokens, 3),
    note=_PROOF,
)
