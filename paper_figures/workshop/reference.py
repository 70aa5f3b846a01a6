"""What did the paper's own figures and tables show?

Values of shi2022, read off the print and kept as CSV files with their tolerance. They are
there to be drawn beside this project's results and are never results of it.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from theory.arrays import InputError

REFERENCE_FOLDER = Path(__file__).parents[1] / "reference"
NAMES = ("fig1a", "fig1b", "fig1c", "fig3", "fig5", "fig6", "table1", "table2", "table3")
_COLUMNS = ("quantity", "series", "x", "value", "tolerance")


@dataclass(frozen=True)
class PaperValue:
    """One value: what, of which curve or model, at which x (a layer, a task, ...)."""

    quantity: str
    series: str
    x: str
    value: float
    tolerance: float


@dataclass(frozen=True)
class Reference:
    """One figure or table of the paper: what it shows, its key, how it was read, its rows."""

    name: str
    what: str
    source: str
    read: str
    rows: tuple[PaperValue, ...]

    def series(
        self, series: str, *, quantity: str | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and value of one curve, x as numbers.

        Raises: InputError if there is no such curve
        """
        rows = [
            row for row in self.rows if row.series == series and quantity in (None, row.quantity)
        ]
        if not rows:
            known = ", ".join(dict.fromkeys(row.series for row in self.rows))
            raise InputError(f"series must be one of {known}, but is {series!r}")
        return (
            np.asarray([float(row.x) for row in rows]),
            np.asarray([row.value for row in rows]),
        )


def load_reference(name: str, *, folder: Path = REFERENCE_FOLDER) -> Reference:
    """Read and validate one reference file.

    Raises: InputError that names the file and the line if a value is not a finite number, a
            tolerance not positive, a cosine outside [-1, 1], a row given twice, or the header
            lacks what / source / read
    """
    path = folder / f"{name}.csv"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"name must be one of {', '.join(NAMES)}, but is {name!r}") from error
    header = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    for key in ("what", "source", "read"):
        if key not in header:
            raise InputError(f"{path.name}: the header must hold '# {key}: ...'")
    body = [line for line in lines if not line.startswith("#")]
    skipped = len(lines) - len(body)
    if not body or tuple(body[0].split(",")) != _COLUMNS:
        raise InputError(f"{path.name}: the columns must be {','.join(_COLUMNS)}")
    rows: dict[tuple[str, str, str], PaperValue] = {}
    for number, cells in enumerate(csv.reader(body[1:]), start=skipped + 2):
        row = _row(f"{path.name}, line {number}", cells)
        place = (row.quantity, row.series, row.x)
        if place in rows:
            raise InputError(f"{path.name}, line {number}: {place} is there twice")
        rows[place] = row
    return Reference(name, header["what"], header["source"], header["read"], tuple(rows.values()))


def _row(where: str, cells: list[str]) -> PaperValue:
    if len(cells) != len(_COLUMNS):
        raise InputError(f"{where}: wanted {len(_COLUMNS)} cells, but got {len(cells)}")
    quantity, series, x, *numbers = cells
    try:
        value, tolerance = (float(number) for number in numbers)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if not math.isfinite(value) or not 0 < tolerance < math.inf:
        raise InputError(
            f"{where}: value must be finite and tolerance positive, but they are {numbers}"
        )
    if quantity.startswith(("CosSim", "cosine")) and abs(value) > 1:
        raise InputError(f"{where}: a cosine must lie in [-1, 1], but is {value}")
    return PaperValue(quantity, series, x, value, tolerance)
