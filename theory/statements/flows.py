"""How do tokens move under attention in continuous time, many runs at once?"""

from collections.abc import Callable

import numpy as np

from theory.arrays import Floats, InputError

TOLERANCE = 1e-9
"""Relative and absolute tolerance of the solver, for the rms over all coordinates."""


def solve(
    velocity: Callable[[float, Floats], Floats],
    start: Floats,
    times: Floats,
    *,
    until: Callable[[float, Floats], float] | None = None,
) -> tuple[Floats, Floats]:
    """Return the times reached and the states (times, *shape), from start at times[0].

    ``until`` ends the flow where it falls through zero; that state comes last then.

    Shapes: start any; velocity maps that shape to itself
    Raises: InputError if the solver gives up
    """
    from scipy.integrate import solve_ivp  # it brings scipy.optimize, which takes a second

    shape = start.shape
    events = None
    if until is not None:

        def event(t: float, y: Floats) -> float:
            return until(t, y.reshape(shape))

        event.terminal = True  # type: ignore[attr-defined]
        event.direction = -1  # type: ignore[attr-defined]
        events = [event]
    found = solve_ivp(
        lambda t, y: velocity(t, y.reshape(shape)).ravel(),
        (float(times[0]), float(times[-1])),
        start.ravel(),
        method="DOP853",
        t_eval=times,
        events=events,
        rtol=TOLERANCE,
        atol=TOLERANCE,
    )
    if found.status < 0:
        raise InputError(f"the flow cannot be followed to t = {times[-1]:g}: {found.message}")
    reached, states = np.asarray(found.t), np.asarray(found.y.T)
    if found.status == 1:  # the event came
        assert found.t_events is not None
        assert found.y_events is not None
        reached = np.append(reached, found.t_events[0][-1:])
        states = np.concatenate([states, found.y_events[0][-1:]])
    return reached, states.reshape(-1, *shape)


def flow_weights(scores: Floats, mask: Floats | None = None) -> Floats:
    """Return row-stochastic weights; masked entries, where the mask is zero, get none."""
    if mask is not None:
        scores = np.where(mask > 0, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def on_sphere(
    beta: float,
    *,
    form: Floats | None = None,
    value: Floats | None = None,
    mask: Floats | None = None,
) -> Callable[[float, Floats], Floats]:
    """Return the velocity of tokens (*b, n, d) on the unit sphere under softmax attention.

    x_i' is the tangential part of sum_j softmax_j(beta x_i . form x_j) x_j value.

    Shapes: form (*b, d, d), the identity by default; value (d, d), likewise; mask (n, n)
    """

    def velocity(_: float, tokens: Floats) -> Floats:
        queries = tokens if form is None else tokens @ form
        weights = flow_weights(beta * queries @ np.swapaxes(tokens, -1, -2), mask)
        pull = weights @ (tokens if value is None else tokens @ value)
        along = np.sum(pull * tokens, axis=-1, keepdims=True)
        return np.asarray(pull - along * tokens / np.sum(tokens**2, axis=-1, keepdims=True))

    return velocity


def draw_on_sphere(rng: np.random.Generator, *shape: int) -> Floats:
    """Return independent uniform points on the unit sphere of the last axis."""
    points = rng.standard_normal(shape)
    return np.asarray(points / np.linalg.norm(points, axis=-1, keepdims=True))


def widest(tokens: Floats, centre: Floats) -> Floats:
    """Return the largest distance of a token from a centre; (*b,)."""
    return np.asarray(np.linalg.norm(tokens - centre, axis=-1).max(axis=-1))
