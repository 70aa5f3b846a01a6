"""How what is proved of a tied network becomes JSON, a table and a few sentences."""

from typing import Any

from rich import box
from rich.table import Table

from theory.proofs.basin import Basin
from theory.proofs.law import LawProof

_ROWS = 12  # of the table: the modes that grow most


def proof_json(found: LawProof) -> dict[str, Any]:
    """Return verdicts and bounds as one object; null where nothing is proved."""
    return {
        "verdict": found.verdict,
        "stable_along_m": found.stable,
        "transverse": found.transverse,
        "along": found.along,
        "period": found.period,
        "reason": found.reason or None,
        "modes": [
            {
                "eigenvalue": [mode.mu.real, mode.mu.imag],
                "times": mode.times,
                "low": mode.low,
                "high": mode.high,
            }
            for mode in found.modes
        ],
    }


def proof_table(found: LawProof, *, title: str) -> Table:
    """Return the bounds of the modes that grow most."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("eigenvalue", "times", "factor at least", "factor at most"):
        table.add_column(name, justify="right", no_wrap=True)
    modes = sorted(found.modes, key=lambda mode: -mode.high)
    for mode in modes[:_ROWS]:
        mu = f"{mode.mu.real:.6f}" + (f" \u00b1 {mode.mu.imag:.6f}i" if mode.mu.imag else "")
        table.add_row(mu, str(mode.times), f"{mode.low:.12f}", f"{mode.high:.12f}")
    if len(modes) > _ROWS:
        table.caption = f"and {len(modes) - _ROWS} that grow less"
    return table


def proof_reading(found: LawProof) -> str:
    """Return what is proved, and of what, in a few sentences."""
    if found.transverse is None:
        return f"Undecided: {found.reason}."
    what = "a fixed point" if found.period == 1 else f"a cycle of {found.period} layers"
    low, high = found.transverse
    bounds = f"the largest factor a layer of differences is between {low:.12g} and {high:.12g}"
    verdicts = {
        "attracts": f"Proved: M attracts. Equal tokens have {what}; near it {bounds}, below 1",
        "repels": f"Proved: M repels. Equal tokens have {what}; near it {bounds}, above 1",
        "undecided": f"Undecided: equal tokens have {what}, but near it {bounds}",
    }
    stable = {
        True: "what all tokens share comes back to it, so every input near enough ends there"
        if found.verdict == "attracts"
        else "what all tokens share comes back to it",
        False: "what all tokens share leaves it",
        None: "whether what all tokens share comes back to it is not decided",
    }
    return f"{verdicts[found.verdict]}; {stable[found.stable]}."


def basin_json(found: Basin) -> dict[str, Any]:
    """Return the radius as one object; null where nothing is proved."""
    return {"radius": found.radius or None, "reason": found.reason or None}


def basin_reading(found: Basin) -> str:
    """Return what is proved of inputs around consensus, in a sentence."""
    if found.point is None or not found.radius:
        return f"Undecided: {found.reason}."
    size = float(sum(entry**2 for entry in found.point) ** 0.5)
    return (
        f"Proved: all inputs within {found.radius:.3g} (Frobenius norm) of consensus at a token of "
        f"norm {size:.3g} end in consensus."
    )
