"""How is the instance that an attack found shown: matrices, a graph, the exact numbers?"""

import html
import json
from typing import Any

from paper_figures.pages.inline_pictures import graph_picture
from paper_figures.workshop.data import Record

_LARGEST = 8
"""Rows and columns of a matrix that is shown whole."""


def ratio_text(ratio: float | None) -> str:
    """Write a ratio so that what misses one, or exceeds it, is seen."""
    if ratio is None:
        return "\u2013"
    if ratio == 0:
        return "0"
    if 0.9995 <= ratio < 1:
        return f"1 \u2212 {1 - ratio:.0e}"
    return f"{ratio:.2e}" if ratio < 1e-3 or ratio >= 1e4 else f"{ratio:.4g}"


def number_text(value: float | None) -> str:
    """Write a number in few letters; four digits where it has more."""
    if value is None:
        return "\u2013"
    text = f"{value + 0.0:.4g}"  # no minus before a zero
    return text.replace("-", "\u2212")


def instance_html(x: Record) -> str:
    """Show the attack's simplified instance: numbers, and a graph where tokens listen."""
    example = x["example"]
    if example is None:
        return ""
    kept = x["attack"]["example_ratio"]
    if x["equality"]:
        title = "An instance, simplified"
    elif example["claim"] == "refuted":
        title = "The attack\u2019s counterexample, simplified"
    else:
        title = f"The attack\u2019s worst instance, simplified (ratio {ratio_text(kept)})"
    sides = ", ".join(f"{side} {number_text(example[side])}" for side in ("lhs", "rhs"))
    parts = [f"<h4>{html.escape(title)}: {sides}</h4>"]
    if example["graph"] is not None:
        picture = graph_picture(example["graph"], example["places"])
        parts.append(
            f'<figure><img src="{picture}" alt="graph on the tokens">'
            "<figcaption>its weights as a graph</figcaption></figure>"
        )
    parts += [_array(array["name"], array["values"]) for array in example["arrays"]]
    chosen = [f"{name} = {value}" for name, value in example["choices"].items()]
    if chosen:
        words = html.escape(", ".join(chosen))
        parts.append(f"<figure><figcaption>{words}</figcaption></figure>")
    exact = {"sizes": example["sizes"], "params": example["params"]}
    return (
        f'<div class="instance">{"".join(parts)}</div>\n'
        "<details><summary>the free numbers that it is built from, exactly</summary>"
        f"<pre>{html.escape(json.dumps(exact))}</pre></details>\n"
    )


def _array(name: str, values: Any) -> str:
    """Show an array as a matrix; of several, one below the other."""
    return (
        f"<figure>{''.join(_matrices(values))}<figcaption>{html.escape(name)}</figcaption></figure>"
    )


def _matrices(values: Any) -> list[str]:
    if not isinstance(values, list):
        return [_matrix([[values]])]
    if not values or not isinstance(values[0], list):
        return [_matrix([values])]
    if not values[0] or not isinstance(values[0][0], list):
        return [_matrix(values)]
    return [matrix for part in values for matrix in _matrices(part)]


def _matrix(rows: list[list[Any]]) -> str:
    lines = []
    for row in rows[:_LARGEST]:
        cells = [_entry(value) for value in row[:_LARGEST]]
        cells += ["\u2026"] if len(row) > _LARGEST else []
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    if len(rows) > _LARGEST:
        lines.append("<tr><td>\u22ee</td></tr>")
    return f'<table class="matrix">{"".join(lines)}</table>'


def _entry(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else number_text(float(value))
