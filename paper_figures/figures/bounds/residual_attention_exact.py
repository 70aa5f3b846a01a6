"""Figure: how far is the published coefficient of residual attention above the worst case?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.certificates import worst_cases
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from theory.theorems.attention.residual import worst_factor

_MANY = np.asarray([16, 64, 256, 1024])
"""The closed form is proved for any number of tokens and any t: docs/proofs.md."""
_T = np.geomspace(1e-3, 1e3, 121)
_DIMS = ("t", "tokens")


def _kappa(tokens: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(2 * (tokens**2 // 4) / tokens))


def compute(settings: Settings) -> Dataset:
    """Return the worst case between its two proved ends, and what the closed forms say."""
    cases = worst_cases(most_tokens=5 if settings.quick else 7)
    tokens, ts = (np.unique([case[k] for case in cases]) for k in (0, 1))
    reached, at_most = (
        np.reshape([case[k] for case in cases], (len(tokens), len(ts))).T for k in (2, 3)
    )
    kappa = _kappa(tokens)
    published = 1 + ts[:, None] * kappa
    hubs = worst_factor(kappa, np.broadcast_to(ts[:, None], published.shape))
    curve = worst_factor(_kappa(_MANY), np.broadcast_to(_T[:, None], (len(_T), len(_MANY))))
    share = (1 + _T[:, None] * _kappa(_MANY)) / curve
    variables = {
        "reached": Variable(_DIMS, reached, "ratio of d_M that two hubs reach"),
        "at_most": Variable(_DIMS, at_most, "ratio of d_M that nothing exceeds: proved"),
        "two_hubs": Variable(_DIMS, hubs, "closed form of two hubs"),
        "published": Variable(_DIMS, published, "1 + sqrt(lambda) t at its worst"),
        "too_large": Variable(("any_t", "many"), share, "published coefficient / closed form"),
        "proved_too_large": Variable(_DIMS, published / at_most, "published / proved bound"),
        "t_of_each": Variable(_DIMS, ts[:, None] + 0 * published, "t, once for each n"),
        "peak": Variable(("many",), share.max(axis=0), "where too_large is largest"),
        "peak_t": Variable(("many",), _T[share.argmax(axis=0)], "the t of that"),
    }
    coords = {
        "t": Variable(("t",), ts, "sum of the heads' norms of V"),
        "tokens": Variable(("tokens",), tokens, "tokens n"),
        "any_t": Variable(("any_t",), _T, "sum of the heads' norms of V"),
        "many": Variable(("many",), _MANY, "tokens n"),
    }
    attrs = {
        "certificates": len(cases),
        "most_tokens": int(tokens[-1]),
        "gap": float(1e6 * (at_most - reached).max()),
        "least": float(100 * (published / at_most - 1)[:, tokens > 2].min()),
        "largest": float(100 * (published / at_most - 1).max()),
    }
    return Dataset(variables, coords, attrs)


def refuted(data: Dataset) -> bool:
    """The caption says that two hubs are the worst to a millionth, below what is published."""
    reached, at_most, hubs = (data[name] for name in ("reached", "at_most", "two_hubs"))
    wide = at_most - reached > 1e-6
    elsewhere = (hubs < reached - 1e-9) | (hubs > at_most)
    smaller = (data["published"] <= at_most)[:, data["tokens"] > 2]
    return bool(wide.any() or elsewhere.any() or smaller.any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the proved worst case with both coefficients, and by how much one is too large."""
    left, right = canvas.subplots(1, 2)
    for i, t in enumerate(data["t"]):
        color = f"C{i}"
        left.plot(data["tokens"], data["published"][i], color=color, ls="--")
        left.plot(data["tokens"], data["two_hubs"][i], color=color)
        left.plot(data["tokens"], data["at_most"][i], "o", color=color, ms=4)
        end = (data["tokens"][-1], data["at_most"][i, -1])
        left.annotate(f"$t$ = {t:g}", end, (6, -3), textcoords="offset points", color=color)
        right.plot(data["t_of_each"][i], data["proved_too_large"][i], "o", color=color, ms=3)
    left.plot([], [], color="0.4", marker="o", ms=4, label="two hubs; proved worst case")
    left.plot([], [], color="0.4", ls="--", label=r"published, $1 + \sqrt{\lambda}\, t$")
    left.set(xlabel="tokens $n$", ylabel="largest ratio of $d_M$", xticks=data["tokens"])
    left.set(yscale="log", xlim=(1.8, 8.1), ylim=(1.15, 6.5))
    left.set_yticks([1.5, 2, 3, 4, 5], labels=["1.5", "2", "3", "4", "5"])
    left.minorticks_off()
    left.legend(loc="upper left")
    for k, n in enumerate(data["many"]):
        right.semilogx(data["any_t"], data["too_large"][:, k], color="0.3")
        peak = (data["peak_t"][k], data["peak"][k])
        right.annotate(f"$n$ = {n}", peak, (9, -2), textcoords="offset points")
    right.set(
        xlabel=f"$t$ (dots: $n$ = 2 to {data['tokens'][-1]}, proved)",
        ylabel="published / worst case",
    )


FIGURE = Figure(
    name="residual_attention_exact",
    title="Residual attention at its worst",
    caption=(
        "The worst case of residual attention over all attention weights, values of norm t and "
        "tokens, proved by {certificates} certificates for up to {most_tokens} tokens to within "
        "{gap:.2f-up} millionths, is that of two hubs (left, dots on the lines), and the published "
        "coefficient 1 + t \u221a\u03bb lies {least:.1f} to {largest:.1f} % above it from three "
        "tokens on (right: for any t, by the closed form, which is proved by pen); a certified "
        "bound that two hubs exceed, or that lies above their ratio by more, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 3.0),
    seconds=19,
)
