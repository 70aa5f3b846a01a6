"""How is an instance that a search found kept, so that anyone can run it again to the last bit?"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from simulations.machine.files import write_new
from simulations.machine.formats import FormatError, read_json
from simulations.machine.provenance import versions
from theory.arrays import InputError
from theory.balls.verdicts import CertifiedVerdict, certify_built
from theory.records import brief_repr
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem
from theory.statements.verdict import Verdict
from theory.theorems.catalogue import CATALOGUE

_FORMAT = "oversmooth instance 2"
_OLD_FORMAT = "oversmooth counterexample 1"  # no claim (always a refutation), origin or digest
_LIBRARIES = ("oversmooth", "numpy", "scipy", "array-api-compat")

_LONGEST = 10_000_000  # bytes; the largest domain has a few thousand numbers

Claim: TypeAlias = Literal["refuted", "reached"]


@brief_repr
@dataclass(frozen=True, eq=False)
class Counterexample:
    """The free numbers of an instance, and the two sides that a theorem has there.

    ``claim`` says what the instance shows: that the theorem is "refuted", or how near to
    equality, with which sides, it is "reached". ``origin`` says which search with which seed and
    budget it came from; the versions that it ran with are added when it is written.
    """

    key: str
    sizes: Mapping[str, int]
    params: Mapping[str, NDArray[np.float64]]
    lhs: float
    rhs: float
    rounding: float
    claim: Claim = "refuted"
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[int, float]:
        """Fewer numbers first, then the larger excess relative to the right-hand side."""
        ratio = self.lhs / self.rhs if self.rhs > 0 else np.inf
        return sum(values.size for values in self.params.values()), -float(ratio)

    def instance(self, theorem: Theorem[Any] | None = None) -> Any:
        """Build the instance, for the catalogue's theorem unless another is given.

        Raises: InputError if none is given and the catalogue has none with the key
        """
        theorem = _known(self.key) if theorem is None else theorem
        return theorem.domain.build(self.sizes, self.params)


def replay(example: Counterexample, theorem: Theorem[Any] | None = None) -> Verdict:
    """Build the instance again and check it; the sides found then are in the example itself.

    Raises: InputError as `Counterexample.instance` does
    """
    theorem = _known(example.key) if theorem is None else theorem
    return check(theorem, example.instance(theorem))


def _known(key: str) -> Theorem[Any]:
    if key not in CATALOGUE:
        raise InputError(f"theorem must be given: the catalogue has none with the key {key!r}")
    return CATALOGUE[key]


def certified(example: Counterexample) -> CertifiedVerdict:
    """Build the instance again in exact arithmetic, and say what is certain of it.

    Raises: InputError as `Counterexample.instance` does, and without python-flint
    """
    return certify_built(_known(example.key), example.sizes, example.params)


def comes_out(
    example: Counterexample, verdict: Verdict, *, certain: CertifiedVerdict | None = None
) -> bool:
    """Say whether a verdict on the instance is what the example claims.

    What is ``certain`` must not say the opposite.

    An instance that is claimed to reach its bound must have the stored sides again, up to the
    rounding of another machine, and these must stand out of it: 0 <= 0 reaches nothing.
    """
    opposite = "holds" if example.claim == "refuted" else "refuted"
    if certain is not None and certain.outcome == opposite:
        return False
    if example.claim == "refuted":
        return bool(verdict.refuted)
    allowed = 2 * float(verdict.rounding)  # here and there; what a file says allows nothing
    sides = ((verdict.lhs, example.lhs), (verdict.rhs, example.rhs))
    stands = bool(verdict.holds & verdict.decided)
    return stands and all(abs(float(a) - b) <= allowed for a, b in sides)


def instance_json(example: Counterexample) -> dict[str, Any]:
    """Return the sizes and the free numbers, for people: decimal, not for running again."""
    numbers = {name: values.tolist() for name, values in example.params.items()}
    return {"claim": example.claim, "sizes": dict(example.sizes), "params": numbers}


def require_free(path: Path) -> None:
    """Raise InputError if a file, or anything else, is there: before a long search, not after."""
    if path.exists():
        raise InputError(f"{path} is there already; choose another name or remove it")


def write_counterexample(example: Counterexample, path: Path | str) -> Path:
    """Write an instance as JSON with hexadecimal floats and a digest, all or nothing.

    Raises: InputError if the file is there with other content, or cannot be written
    """
    path = Path(path)
    content: dict[str, Any] = {
        "format": _FORMAT,
        "theorem": example.key,
        "claim": example.claim,
        "sizes": dict(example.sizes),
        "params": {name: _to_hex(values) for name, values in example.params.items()},
        **{side: getattr(example, side).hex() for side in ("lhs", "rhs", "rounding")},
        "origin": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            **versions(*_LIBRARIES),
            **example.origin,
        },
    }
    content["sha256"] = _digest(content)
    text = json.dumps(content, indent=1) + "\n"
    try:
        if not write_new(path, text.encode()) and not (path.is_file() and path.read_text() == text):
            raise InputError(f"{path} is there already, with other content")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return path


def read_counterexample(path: Path | str) -> Counterexample:
    """Read what `write_counterexample` wrote, now or in the format before this one.

    Raises: InputError if the file is missing, damaged, edited, or of another version
    """
    content = _load(Path(path))
    _require_intact(path, content)
    key = content.get("theorem")
    if not isinstance(key, str) or key not in CATALOGUE:
        raise InputError(f"{path} is about the theorem {key!r}, which is not in the catalogue")
    domain = CATALOGUE[key].domain
    try:
        sizes = {name: int(content["sizes"][name]) for name in domain.sizes}
        params = {name: _from_hex(content["params"][name]) for name in domain.free}
        sides = {name: float.fromhex(content[name]) for name in ("lhs", "rhs", "rounding")}
        claim, origin = content.get("claim", "refuted"), dict(content.get("origin", {}))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is damaged: {type(error).__name__} {error}") from error
    for name, side in sides.items():
        if np.isnan(side) or (name == "rounding" and side < 0):
            raise InputError(f"{path}: {name} is {side}, which no check has ever given")
    wanted = domain.shapes(sizes)
    for name, values in params.items():
        if not np.isfinite(values).all():
            raise InputError(f"{path}: {name} must be finite, but some of it is not")
        if values.shape != wanted[name]:
            raise InputError(
                f"{path}: {name} must have shape {wanted[name]}, but has {values.shape}"
            )
    for name, size in domain.sizes.items():
        if not size.low <= sizes[name] <= size.high:
            raise InputError(
                f"{path}: {name} must be {size.low} to {size.high}, but is {sizes[name]}"
            )
    if claim not in get_args(Claim):
        raise InputError(f"{path}: claim must be refuted or reached, but is {claim!r}")
    return Counterexample(key, sizes, params, **sides, claim=claim, origin=origin)


def _load(path: Path) -> Any:
    try:
        return read_json(path, name=str(path), most=_LONGEST)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except FormatError as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def _require_intact(path: Path | str, content: Any) -> None:
    known = isinstance(content, dict) and content.get("format") in (_FORMAT, _OLD_FORMAT)
    if not known:
        form = content.get("format") if isinstance(content, dict) else None
        raise InputError(
            f"{path} must be of the format {_FORMAT!r} or {_OLD_FORMAT!r}, but says {form!r}; "
            "a file of a later version needs that version"
        )
    if content["format"] == _FORMAT:
        stored = content.pop("sha256", None)
        if stored != _digest(content):
            raise InputError(f"{path} was edited after it was written: its digest does not fit")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _to_hex(values: NDArray[np.float64]) -> Any:
    if values.ndim == 0:
        return float(values).hex()
    return [_to_hex(row) for row in values]


def _from_hex(values: Any) -> NDArray[np.float64]:
    def numbers(value: Any) -> Any:
        return [numbers(v) for v in value] if isinstance(value, list) else float.fromhex(value)

    return np.asarray(numbers(values), dtype=np.float64)
