"""How do the models that have a name become JSON, a table and a few sentences?"""

from typing import Any

from rich import box
from rich.table import Table

from simulations.models.catalogue import KNOWN
from simulations.models.families.known import FAMILIES
from simulations.models.find import how_to_install, is_installed


def zoo_json() -> dict[str, Any]:
    """Return every named model, and the model types of folders that are read, as one object."""
    named = {
        name: {
            "architecture": known.architecture,
            "layers": known.layers,
            "width": known.width,
            "megabytes": known.megabytes,
            "licence": known.licence,
            "shown": known.shown,
            "needs": known.needs or None,
            "installed": is_installed(known),
            "install": how_to_install(known),
            "weights_sha256": known.sha256,
        }
        for name, known in KNOWN.items()
    }
    return {"models": named, "model_types": list(FAMILIES)}


def zoo_table() -> Table:
    """Return a row for each named model."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("name", "architecture"):
        table.add_column(heading, no_wrap=True)
    for heading in ("layers x width", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("licence", "is shown", "installed"):
        table.add_column(heading, no_wrap=True)
    for name, known in KNOWN.items():
        size = f"{known.layers} x {known.width}"
        there = "yes" if is_installed(known) else "no"
        table.add_row(
            *(name, known.architecture, size, f"{known.megabytes:g}"),
            *(known.licence, known.shown, there),
        )
    return table


def zoo_reading() -> str:
    """Say how the others are installed, and what else can be read."""
    lines = [
        f"{name}: {how_to_install(known)}"
        for name, known in KNOWN.items()
        if not is_installed(known)
    ]
    if lines:
        lines.insert(0, "To install what is missing (or `make models` for all, pinned by hash):")
    needs = [
        f"{name} also needs the extra {known.needs}" for name, known in KNOWN.items() if known.needs
    ]
    lines.append("; ".join(needs) + ".")
    lines.append(
        "Files are read and no code of theirs is run. Folders with config.json and "
        f"model.safetensors are read too, of the model types {', '.join(FAMILIES)}; and GGUF files "
        "of Llama's shape."
    )
    return "\n".join(lines)
