"""How is a counterexample kept, so that anyone can run it again to the last bit?"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.arrays import InputError
from theory.statements import Theorem, Verdict, check
from theory.theorems import CATALOGUE

_FORMAT = "oversmooth counterexample 1"


@dataclass(frozen=True, eq=False)
class Counterexample:
    """The free numbers of an instance that refutes a theorem, and the two sides it has there."""

    key: str
    sizes: Mapping[str, int]
    params: Mapping[str, NDArray[np.float64]]
    lhs: float
    rhs: float
    rounding: float

    @property
    def rank(self) -> tuple[int, float]:
        """Fewer numbers first, then the larger excess relative to the right-hand side."""
        ratio = self.lhs / self.rhs if self.rhs > 0 else np.inf
        return sum(values.size for values in self.params.values()), -float(ratio)

    def instance(self, theorem: Theorem[Any] | None = None) -> Any:
        """Build the instance, for the catalogue's theorem unless another is given."""
        theorem = CATALOGUE[self.key] if theorem is None else theorem
        return theorem.domain.build(self.sizes, self.params)


def replay(example: Counterexample) -> Verdict:
    """Build the instance again and check it; the sides found then are in the example itself."""
    return check(CATALOGUE[example.key], example.instance())


def write_counterexample(example: Counterexample, path: Path | str) -> Path:
    """Write a counterexample as JSON with hexadecimal floats, all or nothing.

    Raises: InputError if the file is there with other content, or cannot be written
    """
    path = Path(path)
    content = {
        "format": _FORMAT,
        "theorem": example.key,
        "sizes": dict(example.sizes),
        "params": {name: _to_hex(values) for name, values in example.params.items()},
        **{side: getattr(example, side).hex() for side in ("lhs", "rhs", "rounding")},
    }
    text = json.dumps(content, indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, suffix=".part", delete=False
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(file.name, path)  # fails if there is a file, where a rename would replace it
        except FileExistsError:
            if not path.is_file() or path.read_text() != text:
                raise InputError(f"{path} is there already, with other content") from None
        finally:
            Path(file.name).unlink()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return path


def read_counterexample(path: Path | str) -> Counterexample:
    """Read what `write_counterexample` wrote.

    Raises: InputError if the file is missing or says anything else
    """
    try:
        content = json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise InputError(f"{path} must be a counterexample of the format {_FORMAT!r}")
    key = content.get("theorem")
    if key not in CATALOGUE:
        raise InputError(f"{path} is about the theorem {key!r}, which is not in the catalogue")
    domain = CATALOGUE[key].domain
    try:
        sizes = {name: int(content["sizes"][name]) for name in domain.sizes}
        params = {name: _from_hex(content["params"][name]) for name in domain.free}
        sides = {name: float.fromhex(content[name]) for name in ("lhs", "rhs", "rounding")}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is damaged: {type(error).__name__} {error}") from error
    wanted = domain.shapes(sizes)
    for name, values in params.items():
        if values.shape != wanted[name]:
            raise InputError(
                f"{path}: {name} must have shape {wanted[name]}, but has {values.shape}"
            )
    return Counterexample(key, sizes, params, **sides)


def _to_hex(values: NDArray[np.float64]) -> Any:
    if values.ndim == 0:
        return float(values).hex()
    return [_to_hex(row) for row in values]


def _from_hex(values: Any) -> NDArray[np.float64]:
    def numbers(value: Any) -> Any:
        return [numbers(v) for v in value] if isinstance(value, list) else float.fromhex(value)

    return np.asarray(numbers(values), dtype=np.float64)
