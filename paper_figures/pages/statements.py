"""How does one theorem or trend, with what was found, read on the page?"""

import html

from paper_figures.pages.inline_pictures import formula_pictures
from paper_figures.pages.instances import instance_html, number_text, ratio_text
from paper_figures.workshop.data import Record

_REACHED = 0.01
"""A bound is reached by an instance whose ratio is within this of one."""


def theorem_article(x: Record) -> str:
    """Return the section of one inequality."""
    facts = [
        ("source", html.escape(x["citation"])),
        ("hypotheses", _list(x["hypotheses"])),
        ("expected", _expected(x)),
        ("random search", html.escape(_random_words(x))),
        ("attack", html.escape(_attack_words(x))),
    ]
    if x["tight"] and not x["equality"]:
        facts.append(("tight", html.escape(_tight_words(x))))
    if x["correction"]:
        facts.append(("correction", f"<strong>{html.escape(x['correction'])}</strong>"))
    if not x["equality"]:
        facts.append(("typical", html.escape(_typical_words(x))))
    return _article(x, found_in_words(x), facts, instance_html(x))


def trend_article(x: Record) -> str:
    """Return the section of one trend."""
    low, high = (number_text(end) for end in (x["lower"], x["upper"]))
    facts = [
        ("source", html.escape(x["citation"])),
        ("hypotheses", _list(x["hypotheses"])),
        ("statistic", html.escape(x["statistic"])),
        ("estimate", f"{number_text(x['estimate'])}, interval [{low}, {high}]"),
        ("claimed", html.escape(_claimed(x["claimed"]))),
        ("samples", f"{x['trials']:,}; \u03b1 = {x['alpha']:.0e}"),
        ("expected", _expected(x)),
    ]
    if x["reason"]:
        facts.append(("reason", html.escape(x["reason"])))
    if x["correction"]:
        facts.append(("correction", f"<strong>{html.escape(x['correction'])}</strong>"))
    return _article(x, _trend_in_words(x), facts, "")


def summary_row(x: Record) -> str:
    """Return the theorem's row of the tightness table."""
    key = html.escape(x["key"])
    cells = ["equality" if x["equality"] else _largest(x[name]) for name in ("attack", "random")]
    for name in ("typical", "layers"):
        found = x[name]
        cells.append("\u2013" if x["equality"] or found is None else ratio_text(found["median"]))
    false = ' class="bad"' if x["expected"] == "refuted" else ""
    tight = "refuted" if false else "yes" if x["tight"] else "\u2013"
    body = "".join(f"<td>{cell}</td>" for cell in (tight, *cells))
    return f'<tr><td><a href="#{key}"{false}>{key}</a></td>{body}</tr>'


def found_in_words(x: Record) -> str:
    """Say what came out: never more than that no counterexample was found."""
    if x["status"] == "does not apply":
        return "does not apply to any instance that was tried"
    if x["status"] == "refuted":
        return "refuted as stated" if x["expected"] == "refuted" else "REFUTED, against expectation"
    tried = x["random"]["applied"] + x["attack"]["applied"]
    return f"no counterexample in {tried:,} trials"


def _random_words(x: Record) -> str:
    """Say what random search found."""
    found = x["random"]
    text = f"{found['applied']:,} of {found['trials']:,} trials apply"
    if found["refuted"]:
        text += f", {found['refuted']:,} refute it"
    elif x["expected"] == "refuted":
        text += ", none refutes it"
    return f"{text}; {_worst(x, found)}"


def _attack_words(x: Record) -> str:
    """Say what the attack found."""
    found = x["attack"]
    text = f"{found['evaluations']:,} evaluations"
    if found["refuted_after"] is not None:
        text += f", refuted after {found['refuted_after']:,}"
        text += ", again with more digits" if found["rechecked"] else ""
    elif x["expected"] == "refuted":
        text += ", none refutes it"
    return f"{text}; {_worst(x, found)}"


def _largest(found: Record) -> str:
    return "\u221e" if found["unbounded"] else ratio_text(found["ratio"])


def _worst(x: Record, found: Record) -> str:
    if x["equality"]:
        share = ratio_text(found["ratio"])
        return f"an equality: the difference is at most {share} of what rounding allows"
    if found["unbounded"]:
        return "the right side is zero there, the left side is not"
    return f"largest ratio {ratio_text(found['ratio'])}"


def _tight_words(x: Record) -> str:
    gap, witness = x["attack"]["shortfall"], x["witness"]
    reached = "reaches equality" if gap <= _REACHED else "does not reach equality"
    text = f"called tight; the attack {reached}: {gap:.1e} short of 1"
    return f"{text}, its witness {max(0.0, 1 - witness):.1e}"


def _typical_words(x: Record) -> str:
    names = {"typical": "Gaussian instances", "layers": "instances in MiniLM"}
    parts = []
    for name, label in names.items():
        found = x[name]
        if found is None:
            parts.append(f"{label}: none")
            continue
        text = f"{label}: median {ratio_text(found['median'])}, "
        text += f"largest {ratio_text(found['largest'])}, of {found['count']:,}"
        parts.append(text + (f", {found['refuted']:,} refute it" if found["refuted"] else ""))
    return "; ".join(parts)


def _expected(x: Record) -> str:
    return "refuted as stated" if x["expected"] == "refuted" else "holds"


def _trend_in_words(x: Record) -> str:
    if x["status"] == "does not apply":
        return "not decided"
    if x["status"] == "refuted":
        return "refuted as stated" if x["expected"] == "refuted" else "REFUTED, against expectation"
    return f"no disagreement in {x['trials']:,} samples"


def _claimed(ends: list[float | None]) -> str:
    low, high = ends
    if low is not None and low == high:
        return number_text(low)
    if low is None:
        return f"at most {number_text(high)}"
    return (
        f"at least {number_text(low)}"
        if high is None
        else f"[{number_text(low)}, {number_text(high)}]"
    )


def _list(words: list[str]) -> str:
    return "; ".join(map(html.escape, words)) if words else "none"


def _article(x: Record, found: str, facts: list[tuple[str, str]], below: str) -> str:
    rows = "\n".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts)
    note = f"<dt>note</dt><dd>{html.escape(x['note'])}</dd>" if x["note"] else ""
    wrong = x["status"] == "refuted" or x["status"] != x["expected"]
    key = html.escape(x["key"])
    return (
        f'<article id="{key}"{" class=" + chr(34) + "false" + chr(34) if wrong else ""}>\n'
        f'<header><h3>{key}</h3><span class="verdict">{html.escape(found)}</span></header>\n'
        f'<div class="claim">{_claim(x["claim"])}</div>\n<dl>\n{rows}\n{note}\n</dl>\n'
        f"{below}</article>"
    )


def _claim(claim: str) -> str:
    """Draw the claim; one that cannot be drawn is shown as it is written."""
    text = html.escape(claim)
    try:
        first, *rest = formula_pictures(claim)
    except ValueError:
        return f"<code>{text}</code>"
    others = "".join(f'<img src="{line}" alt="">' for line in rest)
    return f'<img src="{first}" alt="{text}">{others}'
