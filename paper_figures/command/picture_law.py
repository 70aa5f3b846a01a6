"""The law as a quick picture: rates on the graph's spectrum, against depth, along drivers."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.command.pictures import require_plot, save_plot
from paper_figures.workshop.build import DOUBLE_COLUMN, STYLE
from simulations.law.comparison import Comparison
from simulations.law.critical import CriticalPoints
from simulations.law.models import ModelLaw
from simulations.law.networks import draw_network
from simulations.stacks.stack import Stack
from theory.law.rates import mode_rates

_LABELS = {"law": "law", "relative law": "relative law", "v_sharp": "v sharp", "v": "v"}


def plot_law(
    stack: Stack,
    found: Comparison,
    path: Path,
    *,
    title: str,
    seed: int = 0,
    critical: Sequence[CriticalPoints] = (),
) -> None:
    """Draw rho(mu) with the graph's eigenvalues on it, the numbers beside it, and any drivers.

    Raises: InputError if the file has another ending or cannot be written
    """
    require_plot(path)
    columns = 2 + len(critical)
    with matplotlib.style.context(["default", STYLE]):
        canvas = Figure(figsize=(max(DOUBLE_COLUMN, 2.4 * columns), 2.6), layout="constrained")
        canvas.suptitle(title)
        axes: Sequence[Axes] = np.atleast_1d(canvas.subplots(1, columns)).tolist()
        _spectrum(axes[0], stack, found, seed)
        _numbers(axes[1], found)
        for ax, points in zip(axes[2:], critical, strict=True):
            _driver(ax, points)
        save_plot(canvas, path)


def plot_model_law(found: ModelLaw, path: Path) -> None:
    """Draw a model's factors a layer: at equal tokens, and along its texts.

    Raises: InputError if the file has another ending or cannot be written
    """
    require_plot(path)
    equal, real = found.synchronised, found.tangent
    layers = np.arange(1, equal.v.shape[1] + 1)
    with matplotlib.style.context(["default", STYLE]):
        canvas = Figure(figsize=(DOUBLE_COLUMN, 2.8), layout="constrained")
        canvas.suptitle(f"{found.name}: factors on differences, layer by layer")
        left, right = canvas.subplots(1, 2)
        for name, row in zip(equal.starts, equal.typical, strict=True):
            left.plot(layers, row, marker=".", label=name)
        left.set(xlabel="layer", ylabel="law: growth of a random difference", yscale="log")
        means = {
            "measured": real.measured.mean(axis=0),
            "derivative": real.own.mean(axis=0),
            "law": real.law.mean(axis=0),
            "v sharp": real.v_sharp.max(axis=0),
            "v": real.v.max(axis=0),
        }
        for name, row in means.items():
            right.plot(layers, row, marker=".", label=name)
        right.set(xlabel="layer", ylabel="factor on $d_M$ a layer", yscale="log")
        for ax in (left, right):
            ax.axhline(1, color="0.6", lw=0.6, zorder=0)
            ax.legend()
        save_plot(canvas, path)


def _spectrum(ax: Axes, stack: Stack, found: Comparison, seed: int) -> None:
    """Draw rho(mu) over real mu, and the graph's eigenvalues: complex ones at their modulus."""
    law = found.law
    blocks, token = draw_network(stack, seed=seed)
    assert token is not None
    real = np.asarray(law.eigenvalues)
    low = min(0.0, float(real.real.min())) - 0.02
    grid = np.linspace(low, 1, 41)
    curve = mode_rates(blocks, grid, token, layers=200)
    ax.plot(grid, curve.rates, color="0.5", label=r"$\rho(\mu)$, real $\mu$")
    turning = np.abs(real.imag) > 1e-12
    ax.plot(real.real[~turning], law.rates[~turning], "o", ms=3, label="eigenvalues")
    if turning.any():
        ax.plot(real.real[turning], law.rates[turning], "^", ms=3, label="complex (real part)")
    ax.axhline(1, color="0.6", lw=0.6, zorder=0)
    ax.set(xlabel=r"eigenvalue $\mu$ of the random walk", ylabel="factor a layer")
    ax.legend()


def _numbers(ax: Axes, found: Comparison) -> None:
    """Draw simulation, law and theorem beside each other, at equal depth and in the limit."""
    equal, late = found.equal, found.late
    names = ["simulated", "law", "v sharp", "v"]
    first = [equal.simulated, equal.linear, equal.v_sharp, equal.v]
    ax.plot(names, first, "o", label=f"layers {equal.first} to {equal.last}")
    end = np.nan if late is None else late.simulated
    last = [end, found.law.rate, found.limit_v_sharp, found.limit_v]
    ax.plot(names, last, "x", label="limit")
    ax.axhline(1, color="0.6", lw=0.6, zorder=0)
    ax.set(ylabel="factor on $d_M$ a layer", yscale="log")
    ax.legend()


def _driver(ax: Axes, points: CriticalPoints) -> None:
    for name, label in _LABELS.items():
        (line,) = ax.plot(points.grid, points.rates[name], label=label)
        for crossing in points.crossings[name]:
            ax.axvline(crossing.value, color=line.get_color(), lw=0.6, ls=":")
    ax.axhline(1, color="0.6", lw=0.6, zorder=0)
    ax.set(xlabel=points.driver.replace("_", " "), ylabel="factor a layer", yscale="log")
    ax.legend()
